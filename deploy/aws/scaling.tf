# The API follows its requests and its processor; the worker follows the age of the oldest job.

locals {
  scaled = {
    api    = { service = aws_ecs_service.api.name, size = var.api }
    worker = { service = aws_ecs_service.worker.name, size = var.worker }
  }
  worker_steps = {
    more = { above = 120, periods = 2, steps = [{ from = 0, to = 480, by = 1 }, { from = 480, to = null, by = 2 }] }
    less = { above = null, periods = 15, steps = [{ from = null, to = 0, by = -1 }] }
  }
}

resource "aws_appautoscaling_target" "all" {
  for_each = local.scaled

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.main.name}/${each.value.service}"
  min_capacity       = each.value.size.min
  max_capacity       = each.value.size.max
}

resource "aws_appautoscaling_policy" "api" {
  for_each = {
    ECSServiceAverageCPUUtilization = { target = 60, label = null }
    ALBRequestCountPerTarget = {
      target = var.requests_per_target
      label  = "${aws_lb.main.arn_suffix}/${aws_lb_target_group.api.arn_suffix}"
    }
  }

  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.all["api"].service_namespace
  scalable_dimension = aws_appautoscaling_target.all["api"].scalable_dimension
  resource_id        = aws_appautoscaling_target.all["api"].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = each.key
      resource_label         = each.value.label
    }
  }
}

resource "aws_appautoscaling_policy" "worker" {
  for_each = local.worker_steps

  name               = "${var.name}-worker-${each.key}"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.all["worker"].service_namespace
  scalable_dimension = aws_appautoscaling_target.all["worker"].scalable_dimension
  resource_id        = aws_appautoscaling_target.all["worker"].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Maximum"
    cooldown                = 180

    dynamic "step_adjustment" {
      for_each = each.value.steps

      content {
        metric_interval_lower_bound = step_adjustment.value.from
        metric_interval_upper_bound = step_adjustment.value.to
        scaling_adjustment          = step_adjustment.value.by
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "worker" {
  for_each = local.worker_steps

  alarm_name          = "${var.name}-worker-${each.key}"
  alarm_description   = "Scaling, not a fault."
  namespace           = local.queue_namespace
  metric_name         = "OldestJobSeconds"
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.above == null ? "LessThanOrEqualToThreshold" : "GreaterThanThreshold"
  threshold           = each.value.above == null ? 10 : each.value.above
  treat_missing_data  = "ignore"
  alarm_actions       = [aws_appautoscaling_policy.worker[each.key].arn]
}
