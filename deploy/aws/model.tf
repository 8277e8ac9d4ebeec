# llm_provider = "ollama": one GPU instance, replaced by itself when it fails, behind an inner
# load balancer that gives it an address. The model lies on its encrypted disk.

locals {
  own_model  = var.llm_provider == "ollama"
  model_port = 11434
  model_url  = local.own_model ? "http://${aws_lb.model[0].dns_name}:${local.model_port}" : null
  models     = local.own_model ? 1 : 0
}

resource "aws_lb" "model" {
  #checkov:skip=CKV_AWS_91: Only our own tasks come here, and a TCP balancer logs TLS connections only.
  #checkov:skip=CKV_AWS_150: It holds nothing and has no name of its own; it is made anew at will.
  count = local.models

  name               = "${var.name}-model"
  internal           = true
  load_balancer_type = "network"
  subnets            = local.ids.private
  security_groups    = [aws_security_group.all["model_door"].id]
  # The instance is in one zone, the tasks are in all of them.
  enable_cross_zone_load_balancing = true
}

resource "aws_lb_target_group" "model" {
  count = local.models

  name                 = "${var.name}-model"
  vpc_id               = aws_vpc.main.id
  protocol             = "TCP"
  port                 = local.model_port
  preserve_client_ip   = false
  deregistration_delay = 30

  health_check {
    protocol            = "HTTP"
    path                = "/api/version"
    matcher             = "200"
    interval            = 30
    healthy_threshold   = 2
    unhealthy_threshold = 4
  }
}

resource "aws_lb_listener" "model" {
  count = local.models

  load_balancer_arn = aws_lb.model[0].arn
  protocol          = "TCP"
  port              = local.model_port

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.model[0].arn
  }
}

resource "aws_iam_role" "model" {
  count = local.models

  name               = "${var.name}-model"
  assume_role_policy = data.aws_iam_policy_document.trust["model"].json
}

data "aws_iam_policy_document" "model" {
  count = local.models

  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.all["model"].arn}:*"]
  }
}

resource "aws_iam_role_policy" "model" {
  count = local.models

  name   = "logs"
  role   = aws_iam_role.model[0].id
  policy = data.aws_iam_policy_document.model[0].json
}

resource "aws_iam_instance_profile" "model" {
  count = local.models

  name = "${var.name}-model"
  role = aws_iam_role.model[0].name
}

resource "aws_launch_template" "model" {
  count = local.models

  name                   = "${var.name}-model"
  image_id               = var.model.image_id
  instance_type          = var.model.instance_type
  update_default_version = true
  ebs_optimized          = true

  user_data = base64encode(templatefile("${path.module}/model.sh.tftpl", {
    ollama    = var.model.ollama
    model     = coalesce(var.llm_model, "llama3")
    port      = local.model_port
    context   = var.llm_context
    parallel  = var.llm_concurrency
    log_group = aws_cloudwatch_log_group.all["model"].name
    region    = var.region
  }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.model[0].arn
  }

  network_interfaces {
    security_groups             = [aws_security_group.all["model"].id]
    associate_public_ip_address = false
    delete_on_termination       = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.model.disk_gb
      encrypted             = true
      delete_on_termination = true
    }
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = "${var.name}-model", Application = var.name })
    }
  }
}

resource "aws_autoscaling_group" "model" {
  count = local.models

  name                = "${var.name}-model"
  min_size            = 1
  max_size            = 1
  vpc_zone_identifier = local.ids.private
  target_group_arns   = [aws_lb_target_group.model[0].arn]
  health_check_type   = "ELB"
  # Time to fetch the image and the model.
  health_check_grace_period = 1200

  launch_template {
    id      = aws_launch_template.model[0].id
    version = aws_launch_template.model[0].latest_version
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 0
    }
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-model"
    propagate_at_launch = true
  }

  depends_on = [aws_route.private, aws_route_table_association.private]
}
