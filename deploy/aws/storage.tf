# The books, the load balancer's access logs, and the images.

locals {
  buckets = {
    books       = aws_s3_bucket.books
    access_logs = aws_s3_bucket.access_logs
  }
}

resource "aws_s3_bucket" "books" {
  #checkov:skip=CKV_AWS_144: A copy in another region is a decision of its own; README, "What is not covered".
  #checkov:skip=CKV_AWS_18: Every access is made by the application, which is logged at the load balancer.
  #checkov:skip=CKV2_AWS_62: Nobody listens: the application writes its jobs with the data.
  bucket        = "${var.name}-books-${local.account}-${var.region}"
  force_destroy = !var.protect
}

resource "aws_s3_bucket_versioning" "books" {
  bucket = aws_s3_bucket.books.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "books" {
  bucket = aws_s3_bucket.books.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.main.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "books" {
  bucket = aws_s3_bucket.books.id

  rule {
    id     = "tidy"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # A deleted file outlives every backup of the database that still names it.
    noncurrent_version_expiration {
      noncurrent_days = var.backup_days + 7
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  depends_on = [aws_s3_bucket_versioning.books]
}

resource "aws_s3_bucket" "access_logs" {
  #checkov:skip=CKV_AWS_144: Logs are kept in one region.
  #checkov:skip=CKV_AWS_145: The load balancer can write only to buckets with S3's own key.
  #checkov:skip=CKV_AWS_18: Logs of the access to logs help nobody.
  #checkov:skip=CKV_AWS_21: Logs are written once and expire.
  #checkov:skip=CKV2_AWS_62: Nobody listens.
  bucket        = "${var.name}-access-logs-${local.account}-${var.region}"
  force_destroy = !var.protect
}

resource "aws_s3_bucket_server_side_encryption_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id

  rule {
    id     = "expire"
    status = "Enabled"
    filter {}

    expiration {
      days = var.log_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "all" {
  for_each = local.buckets

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "all" {
  for_each = local.buckets

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "access_logs" {
  source_policy_documents = [data.aws_iam_policy_document.tls_only["access_logs"].json]

  statement {
    sid       = "LoadBalancer"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.access_logs.arn}/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }
}

resource "aws_s3_bucket_policy" "books" {
  bucket     = aws_s3_bucket.books.id
  policy     = data.aws_iam_policy_document.tls_only["books"].json
  depends_on = [aws_s3_bucket_public_access_block.all]
}

resource "aws_s3_bucket_policy" "access_logs" {
  bucket     = aws_s3_bucket.access_logs.id
  policy     = data.aws_iam_policy_document.access_logs.json
  depends_on = [aws_s3_bucket_public_access_block.all]
}

resource "aws_ecr_repository" "main" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protect

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.main.arn
  }
}

resource "aws_ecr_lifecycle_policy" "main" {
  repository = aws_ecr_repository.main.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The last thirty can be rolled back to"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}
