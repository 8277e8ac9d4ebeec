# One image, three processes: the API, the worker, and the one-shot migrate task.

locals {
  port = 8000
  # Two books per running job, at most, and some air.
  scratch_mb = var.max_upload_mb * var.jobs_concurrency + 128

  processes = {
    api     = { command = ["serve"], cpu = var.api.cpu, memory = var.api.memory, scratch_mb = 64 }
    worker  = { command = ["worker"], cpu = var.worker.cpu, memory = var.worker.memory, scratch_mb = local.scratch_mb }
    migrate = { command = ["migrate"], cpu = 256, memory = 1024, scratch_mb = 64 }
  }

  # The worker has no door to knock at: the alarm "silent-workers" watches it.
  door = {
    portMappings = [{ containerPort = local.port, protocol = "tcp" }]
    healthCheck = {
      command = [
        "CMD", "python", "-c",
        "import urllib.request as u; u.urlopen('http://127.0.0.1:${local.port}/healthz', timeout=4)",
      ]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }
  }

  settings = merge(
    var.settings,
    {
      SERVER_ENVIRONMENT    = "production"
      SERVER_HOST           = "0.0.0.0"
      SERVER_PORT           = tostring(local.port)
      SERVER_METRICS        = "private"
      SERVER_LOG            = "json"
      SERVER_LOG_LEVEL      = "info"
      SERVER_KEEP_ALIVE     = "320" # above the load balancer's idle time-out
      LUMINA_HOME           = "/tmp/lumina"
      DATABASE_CA           = var.database_ca
      DATABASE_POOL         = tostring(var.database_pool)
      STORAGE_PROVIDER      = "s3"
      STORAGE_BUCKET        = aws_s3_bucket.books.id
      STORAGE_REGION        = var.region
      ACCOUNTS_ADMIN_EMAIL  = var.admin_email
      CATALOG_MAX_UPLOAD_MB = tostring(var.max_upload_mb)
      JOBS_EMBEDDED         = "false"
      JOBS_CONCURRENCY      = tostring(var.jobs_concurrency)
      LLM_PROVIDER          = var.llm_provider
      LLM_CONTEXT           = tostring(var.llm_context)
      LLM_CONCURRENCY       = tostring(var.llm_concurrency)
      # The load balancer is believed when it says whom a request comes from.
      SERVER_TRUSTED_PROXIES = var.vpc_cidr
    },
    var.llm_model == null ? {} : { LLM_MODEL = var.llm_model },
    local.own_model ? { LLM_BASE_URL = local.model_url } : {},
    local.keyed ? { LLM_BASE_URL = var.llm_base_url } : {},
  )
}

resource "aws_cloudwatch_log_group" "all" {
  for_each = toset(concat(keys(local.processes), ["flow"], local.own_model ? ["model"] : []))

  name              = "/${var.name}/${each.value}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.main.arn
}

resource "aws_ecs_cluster" "main" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "all" {
  for_each = local.processes

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  # Migrating touches the database only.
  task_role_arn = each.key == "migrate" ? null : aws_iam_role.task.arn
  # Revisions that were deployed once stay, to roll back to.
  skip_destroy = var.protect

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([merge(
    {
      name                   = each.key
      image                  = var.image
      essential              = true
      memory                 = each.value.memory
      entryPoint             = ["python", "-m", "app"]
      command                = each.value.command
      user                   = "10001:10001"
      readonlyRootFilesystem = true
      # The application lets go after 10 s at most.
      stopTimeout = 30
      environment = [for name, value in local.settings : { name = name, value = value }]
      secrets = [
        for name, secret in local.injected :
        { name = name, valueFrom = "${secret.arn}:::${secret.version_id}" }
      ]
      linuxParameters = {
        initProcessEnabled = true
        capabilities       = { drop = ["ALL"], add = [] }
        tmpfs = [{
          containerPath = "/tmp"
          size          = each.value.scratch_mb
          mountOptions  = ["mode=1777", "nosuid", "nodev", "noexec"]
        }]
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.all[each.key].name
          awslogs-region        = var.region
          awslogs-stream-prefix = each.key
        }
      }
    },
    { for name, value in local.door : name => value if each.key == "api" },
  )])
}

# Before any service changes: a schema that both the old and the new code can live with.
resource "terraform_data" "migrated" {
  count = var.migrate_on_apply ? 1 : 0

  triggers_replace = [var.image]

  provisioner "local-exec" {
    command     = "sh ${path.module}/task.sh migrate"
    environment = local.task_environment
  }

  depends_on = [
    aws_db_instance.main,
    aws_iam_role_policy.execution,
    aws_iam_role_policy.task,
    aws_route.private,
    aws_route_table_association.private,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.talk,
    aws_vpc_security_group_ingress_rule.talk,
  ]
}

locals {
  task_environment = {
    AWS_REGION      = var.region
    CLUSTER         = aws_ecs_cluster.main.name
    TASK_DEFINITION = aws_ecs_task_definition.all["migrate"].arn
    SUBNETS         = join(",", local.ids.private)
    SECURITY_GROUP  = aws_security_group.all["tasks"].id
  }
}

resource "aws_ecs_service" "api" {
  name                              = "api"
  cluster                           = aws_ecs_cluster.main.id
  task_definition                   = aws_ecs_task_definition.all["api"].arn
  launch_type                       = "FARGATE"
  platform_version                  = "LATEST"
  desired_count                     = var.api.min
  health_check_grace_period_seconds = 60
  propagate_tags                    = "SERVICE"
  wait_for_steady_state             = var.protect
  availability_zone_rebalancing     = "ENABLED"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.ids.private
    security_groups  = [aws_security_group.all["tasks"].id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.api.arn
    container_name   = "api"
    container_port   = local.port
  }

  depends_on = [aws_lb_listener.https, terraform_data.migrated]

  lifecycle {
    ignore_changes = [desired_count]
  }
}

resource "aws_ecs_service" "worker" {
  name                  = "worker"
  cluster               = aws_ecs_cluster.main.id
  task_definition       = aws_ecs_task_definition.all["worker"].arn
  launch_type           = "FARGATE"
  platform_version      = "LATEST"
  desired_count         = var.worker.min
  propagate_tags        = "SERVICE"
  wait_for_steady_state = var.protect

  # A worker that stops puts its jobs back, so the new one may come after the old one.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.ids.private
    security_groups  = [aws_security_group.all["tasks"].id]
    assign_public_ip = false
  }

  depends_on = [terraform_data.migrated]

  lifecycle {
    ignore_changes = [desired_count]
  }
}
