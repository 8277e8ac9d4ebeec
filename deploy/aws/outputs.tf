output "url" {
  description = "Where the library is."
  value       = "https://${var.domain_name}"
}

output "load_balancer" {
  description = "What the host name must point at, if zone_id was not given."
  value       = aws_lb.main.dns_name
}

output "repository" {
  description = "Where the image is pushed to."
  value       = aws_ecr_repository.main.repository_url
}

output "bucket" {
  description = "Where the books are."
  value       = aws_s3_bucket.books.id
}

output "database" {
  description = "Host of the database."
  value       = aws_db_instance.main.address
}

output "restore_options" {
  description = "What a restored database needs to be reachable: README.md, \"Backups and restoring\"."
  value = join(" ", [
    "--db-subnet-group-name ${aws_db_subnet_group.main.name}",
    "--db-parameter-group-name ${aws_db_parameter_group.main.name}",
    "--vpc-security-group-ids ${aws_security_group.all["database"].id}",
  ])
}

output "admin_password_secret" {
  description = "Secret with the first admin's password; the value is not an output."
  value       = aws_secretsmanager_secret.all["admin-password"].name
}

output "alarm_topic" {
  description = "Where alarms are published."
  value       = aws_sns_topic.alarms.arn
}

output "task_environment" {
  description = "What ./task.sh wants to know."
  value       = local.task_environment
}
