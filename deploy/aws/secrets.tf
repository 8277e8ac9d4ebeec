# Every value is made by Secrets Manager and passes through Terraform as an ephemeral, write-only
# value: neither the plan nor the state holds one. The database's password is read back from its
# secret before it is used, so that an apply that stops half-way can simply be repeated.

locals {
  generated = {
    "database-password" = var.secret_versions.database_password
    "tokens-secret"     = var.secret_versions.tokens_secret
    "admin-password"    = var.secret_versions.admin_password
  }
  keyed   = var.llm_provider == "openai"
  secrets = concat(keys(local.generated), ["database-url"], local.keyed ? ["llm-api-key"] : [])

  # A version in the name, so that a new secret makes a new task definition and is rolled out.
  injected = merge(
    {
      DATABASE_URL            = aws_secretsmanager_secret_version.database_url
      TOKENS_SECRET           = aws_secretsmanager_secret_version.generated["tokens-secret"]
      ACCOUNTS_ADMIN_PASSWORD = aws_secretsmanager_secret_version.generated["admin-password"]
    },
    local.keyed ? { LLM_API_KEY = aws_secretsmanager_secret_version.llm_api_key[0] } : {},
  )
}

resource "aws_secretsmanager_secret" "all" {
  #checkov:skip=CKV2_AWS_57: Rotated by var.secret_versions: the tasks must be rolled with it; README, "Rotating secrets".
  for_each = toset(local.secrets)

  name                    = "${var.name}/${each.value}"
  kms_key_id              = aws_kms_key.main.arn
  recovery_window_in_days = var.protect ? 30 : 0
}

ephemeral "aws_secretsmanager_random_password" "new" {
  for_each = local.generated

  password_length     = 48
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret_version" "generated" {
  for_each = local.generated

  secret_id                = aws_secretsmanager_secret.all[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.new[each.key].random_password
  secret_string_wo_version = each.value
}

ephemeral "aws_secretsmanager_secret_version" "database_password" {
  secret_id = aws_secretsmanager_secret_version.generated["database-password"].secret_id
}

resource "aws_secretsmanager_secret_version" "database_url" {
  secret_id = aws_secretsmanager_secret.all["database-url"].id
  secret_string_wo = format(
    "postgresql://%s:%s@%s:%d/%s",
    aws_db_instance.main.username,
    ephemeral.aws_secretsmanager_secret_version.database_password.secret_string,
    aws_db_instance.main.address,
    aws_db_instance.main.port,
    aws_db_instance.main.db_name,
  )
  secret_string_wo_version = var.secret_versions.database_password
}

resource "aws_secretsmanager_secret_version" "llm_api_key" {
  count = local.keyed ? 1 : 0

  secret_id                = aws_secretsmanager_secret.all["llm-api-key"].id
  secret_string_wo         = var.llm_api_key
  secret_string_wo_version = var.secret_versions.llm_api_key
}
