# The worker prints a line a minute; filters make metrics of it. Every worker sees the whole
# queue, so the maximum over workers is the queue's own number.

locals {
  queue_namespace = var.name == "luminalib" ? "LuminaLib" : "LuminaLib/${var.name}"
  queue_metrics = {
    OldestJobSeconds = "$.oldest_job_seconds"
    PendingJobs      = "$.pending_jobs"
    FailedJobs       = "$.failed_jobs"
  }

  balancer = { LoadBalancer = aws_lb.main.arn_suffix }
  targets  = merge(local.balancer, { TargetGroup = aws_lb_target_group.api.arn_suffix })
  database = { DBInstanceIdentifier = aws_db_instance.main.identifier }

  # statistic or percentile; more than `above` or less than `below`; for `minutes`; and what no
  # data means.
  alarms = {
    api-errors = {
      says      = "The API answers with 5xx."
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", of = local.targets
      statistic = "Sum", above = var.alarm_limits.errors_5xx, minutes = 5
    }
    balancer-errors = {
      says      = "The load balancer finds nobody to answer."
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", of = local.balancer
      statistic = "Sum", above = var.alarm_limits.errors_5xx, minutes = 5
    }
    unhealthy-targets = {
      says      = "An API task does not answer /healthz."
      namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", of = local.targets
      statistic = "Maximum", above = 0, minutes = 5
    }
    no-healthy-targets = {
      says      = "No API task answers /healthz."
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", of = local.targets
      statistic = "Minimum", below = 1, minutes = 2, missing = "breaching"
    }
    slow = {
      says      = "One request in twenty takes too long."
      namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", of = local.targets
      statistic = "p95", above = var.alarm_limits.p95_seconds, minutes = 10
    }
    database-cpu = {
      says      = "The database's processor is busy."
      namespace = "AWS/RDS", metric = "CPUUtilization", of = local.database
      statistic = "Average", above = var.alarm_limits.database_cpu, minutes = 15
    }
    database-storage = {
      says      = "A tenth of the database's first storage is left."
      namespace = "AWS/RDS", metric = "FreeStorageSpace", of = local.database
      statistic = "Minimum", below = var.database_storage_gb * 1024 * 1024 * 1024 / 10, minutes = 5
    }
    database-connections = {
      says      = "Four fifths of the database's connections are taken."
      namespace = "AWS/RDS", metric = "DatabaseConnections", of = local.database
      statistic = "Maximum", above = var.database_connections * 0.8, minutes = 5
    }
    oldest-job = {
      says      = "A job has been due for too long."
      namespace = local.queue_namespace, metric = "OldestJobSeconds", of = {}
      statistic = "Maximum", above = var.alarm_limits.oldest_job_seconds, minutes = 10
    }
    failed-jobs = {
      says      = "Jobs have failed for good within the last hour."
      namespace = local.queue_namespace, metric = "FailedJobs", of = {}
      statistic = "Maximum", above = 0, minutes = 1
    }
    silent-workers = {
      says      = "No worker has reported for ten minutes."
      namespace = local.queue_namespace, metric = "OldestJobSeconds", of = {}
      statistic = "SampleCount", below = 1, minutes = 10, missing = "breaching"
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "queue" {
  for_each = local.queue_metrics

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.all["worker"].name
  pattern        = "{ $.event = \"queue\" }"

  metric_transformation {
    namespace = local.queue_namespace
    name      = each.key
    value     = each.value
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.main.arn
}

data "aws_iam_policy_document" "alarms" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "all" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.of
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = can(each.value.above) ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = try(each.value.above, each.value.below)
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
