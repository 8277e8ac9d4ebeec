# Three tiers in each zone: public (load balancer, NAT), private (tasks, model; out through
# NAT), isolated (database; no way out).

locals {
  zones = length(var.zones)
  tiers = ["public", "private", "isolated"]
  subnets = {
    for pair in setproduct(local.tiers, range(local.zones)) :
    "${pair[0]}-${pair[1]}" => {
      tier = pair[0]
      zone = "${var.region}${var.zones[pair[1]]}"
      cidr = cidrsubnet(var.vpc_cidr, 4, index(local.tiers, pair[0]) * 4 + pair[1])
    }
  }
  ids = {
    for tier in local.tiers :
    tier => [for index in range(local.zones) : aws_subnet.all["${tier}-${index}"].id]
  }
  nats = range(var.nat_per_zone ? local.zones : 1)
}

resource "aws_vpc" "main" {
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# Nothing uses it; without rules nothing can by accident.
resource "aws_default_security_group" "unused" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "all" {
  for_each = local.subnets

  vpc_id            = aws_vpc.main.id
  availability_zone = each.value.zone
  cidr_block        = each.value.cidr
  tags              = { Name = "${var.name}-${each.key}", Tier = each.value.tier }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = var.name }
}

resource "aws_eip" "nat" {
  count = length(local.nats)

  domain     = "vpc"
  depends_on = [aws_internet_gateway.main]
  tags       = { Name = "${var.name}-nat-${count.index}" }
}

resource "aws_nat_gateway" "main" {
  count = length(local.nats)

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = local.ids.public[count.index]
  tags          = { Name = "${var.name}-${count.index}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "${var.name}-public" }
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route_table" "private" {
  count = length(local.nats)

  vpc_id = aws_vpc.main.id
  tags   = { Name = "${var.name}-private-${count.index}" }
}

resource "aws_route" "private" {
  count = length(local.nats)

  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.main[count.index].id
}

resource "aws_route_table" "isolated" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "${var.name}-isolated" }
}

resource "aws_route_table_association" "public" {
  count = local.zones

  subnet_id      = local.ids.public[count.index]
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  count = local.zones

  subnet_id      = local.ids.private[count.index]
  route_table_id = aws_route_table.private[count.index % length(local.nats)].id
}

resource "aws_route_table_association" "isolated" {
  count = local.zones

  subnet_id      = local.ids.isolated[count.index]
  route_table_id = aws_route_table.isolated.id
}

# Costs nothing, and books and image layers do not pay for NAT.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.main.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = aws_route_table.private[*].id
  tags              = { Name = "${var.name}-s3" }
}

resource "aws_flow_log" "main" {
  vpc_id                   = aws_vpc.main.id
  traffic_type             = "REJECT"
  log_destination          = aws_cloudwatch_log_group.all["flow"].arn
  iam_role_arn             = aws_iam_role.flow.arn
  max_aggregation_interval = 600
  tags                     = { Name = var.name }
}

# Who may talk to whom: everybody → balancer → tasks → database, model; tasks → HTTPS.

locals {
  parties = merge(
    {
      balancer = "The load balancer"
      tasks    = "API, worker and one-shot tasks"
      database = "Postgres"
    },
    local.own_model ? {
      model_door = "The inner load balancer of the model"
      model      = "The GPU instance"
    } : {},
  )
  talks = merge(
    {
      balancer-tasks = { from = "balancer", to = "tasks", port = local.port }
      tasks-database = { from = "tasks", to = "database", port = 5432 }
    },
    local.own_model ? {
      tasks-model = { from = "tasks", to = "model_door", port = local.model_port }
      door-model  = { from = "model_door", to = "model", port = local.model_port }
    } : {},
  )
}

resource "aws_security_group" "all" {
  #checkov:skip=CKV2_AWS_5: All are attached; the linter does not follow for_each keys.
  for_each = local.parties

  name        = "${var.name}-${replace(each.key, "_", "-")}"
  description = each.value
  vpc_id      = aws_vpc.main.id
  tags        = { Name = "${var.name}-${replace(each.key, "_", "-")}" }
}

resource "aws_vpc_security_group_ingress_rule" "talk" {
  for_each = local.talks

  security_group_id            = aws_security_group.all[each.value.to].id
  referenced_security_group_id = aws_security_group.all[each.value.from].id
  description                  = "From ${each.value.from}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "talk" {
  for_each = local.talks

  security_group_id            = aws_security_group.all[each.value.from].id
  referenced_security_group_id = aws_security_group.all[each.value.to].id
  description                  = "To ${each.value.to}"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each = { for pair in setproduct(var.allowed_cidrs, [80, 443]) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id = aws_security_group.all["balancer"].id
  description       = "Readers"
  cidr_ipv4         = each.value[0]
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
}

# AWS's own services, image registries and a hosted model have no fixed addresses.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = toset(local.own_model ? ["tasks", "model"] : ["tasks"])

  security_group_id = aws_security_group.all[each.value].id
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
