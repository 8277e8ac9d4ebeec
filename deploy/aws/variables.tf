# What it is and where

variable "name" {
  description = "Prefix of every name; two libraries in one account differ by it."
  type        = string
  default     = "luminalib"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "2 to 16 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "region" {
  description = "AWS region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region's name, such as eu-central-1."
  }
}

variable "tags" {
  description = "Tags for everything, besides Application and ManagedBy."
  type        = map(string)
  default     = {}
}

variable "protect" {
  description = "Refuse to delete the database, the files, the load balancer and the images. Off only for rehearsals and just before the end."
  type        = bool
  default     = true
}

# Network and entrance

variable "vpc_cidr" {
  description = "Addresses of the VPC; a /16 to /20 that no peered network uses."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 20
    error_message = "An IPv4 network between /16 and /20."
  }
}

variable "zones" {
  description = "Letters of the availability zones to spread over."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = contains([2, 3], length(distinct(var.zones))) && alltrue([for letter in var.zones : can(regex("^[a-f]$", letter))])
    error_message = "Two or three different letters; `aws ec2 describe-availability-zones` says which there are."
  }
}

variable "nat_per_zone" {
  description = "One NAT gateway per zone instead of a single one: dearer, and a zone's outage stays in that zone."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "IPv4 networks in CIDR notation, one at least."
  }
}

variable "domain_name" {
  description = "Host name of the library."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "A full host name in lower case, such as library.example.org."
  }
}

variable "zone_id" {
  description = "Route 53 zone of the domain: the certificate and the address record are made in it. Null: give certificate_arn and point the name yourself."
  type        = string
  default     = null
}

variable "certificate_arn" {
  description = "An ACM certificate that is there already; null makes one (needs zone_id)."
  type        = string
  default     = null

  validation {
    condition     = (var.certificate_arn == null) != (var.zone_id == null)
    error_message = "Give either zone_id or certificate_arn."
  }
}

variable "idle_timeout" {
  description = "Seconds a connection may be silent: longer than the slowest answer of the model (LLM_TIMEOUT)."
  type        = number
  default     = 310

  validation {
    condition     = var.idle_timeout >= 60 && var.idle_timeout <= 4000
    error_message = "60 to 4000 seconds."
  }
}

# The application

variable "image" {
  description = "Image of the library, with a version or (better) a digest."
  type        = string

  validation {
    condition     = can(regex("(:[^:/@]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Name a version or a digest; `latest` cannot be rolled back."
  }
}

variable "cpu_architecture" {
  description = "What the image was built for."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "X86_64 or ARM64."
  }
}

variable "database_ca" {
  description = "Path in the image of the CA bundle that the database's certificate must chain to."
  type        = string
  default     = "/etc/ssl/rds/global-bundle.pem"

  validation {
    condition     = startswith(var.database_ca, "/")
    error_message = "An absolute path in the image."
  }
}

variable "migrate_on_apply" {
  description = "Run the migrate task before the services change (needs the aws command line where Terraform runs). Off: your pipeline runs ./task.sh migrate."
  type        = bool
  default     = true
}

variable "api" {
  description = "Size of an API task (CPU units, MiB) and how many there may be."
  type = object({
    cpu    = optional(number, 512)
    memory = optional(number, 1024)
    min    = optional(number, 2)
    max    = optional(number, 6)
  })
  default = {}

  validation {
    condition     = var.api.min >= 1 && var.api.max >= var.api.min
    error_message = "1 <= min <= max."
  }
}

variable "worker" {
  description = "Size of a worker task (CPU units, MiB) and how many there may be. One at least: it also measures the queue."
  type = object({
    cpu    = optional(number, 1024)
    memory = optional(number, 4096)
    min    = optional(number, 1)
    max    = optional(number, 4)
  })
  default = {}

  validation {
    condition     = var.worker.min >= 1 && var.worker.max >= var.worker.min
    error_message = "1 <= min <= max."
  }
}

variable "requests_per_target" {
  description = "Requests a minute and API task that scaling aims at."
  type        = number
  default     = 1500

  validation {
    condition     = var.requests_per_target > 0
    error_message = "More than none."
  }
}

variable "max_upload_mb" {
  description = "CATALOG_MAX_UPLOAD_MB; the worker's scratch space follows from it."
  type        = number
  default     = 200

  validation {
    condition     = var.max_upload_mb >= 1 && var.max_upload_mb <= 500
    error_message = "1 to 500: a worker holds its scratch files in memory."
  }
}

variable "jobs_concurrency" {
  description = "JOBS_CONCURRENCY: jobs a worker runs at once."
  type        = number
  default     = 2

  validation {
    condition     = var.jobs_concurrency >= 1 && var.jobs_concurrency <= 16
    error_message = "1 to 16."
  }
}

variable "admin_email" {
  description = "ACCOUNTS_ADMIN_EMAIL: the first admin; the password is generated."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+$", var.admin_email))
    error_message = "An e-mail address."
  }
}

variable "settings" {
  description = "Further settings of .env.example, such as { LENDING_DAYS = \"28\" }. What services.tf sets itself stays as it is. No secrets: they would be readable in the task definition."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : !can(regex("(SECRET|PASSWORD|_KEY|DATABASE_URL)", name))])
    error_message = "Secrets belong into Secrets Manager."
  }
}

# The model

variable "llm_provider" {
  description = "ollama: a GPU instance of our own; openai: an OpenAI-compatible address; extractive: no model at all."
  type        = string
  default     = "extractive"

  validation {
    condition     = contains(["ollama", "openai", "extractive"], var.llm_provider)
    error_message = "ollama, openai or extractive."
  }
}

variable "llm_model" {
  description = "LLM_MODEL; null: llama3 on Ollama, the application's choice elsewhere."
  type        = string
  default     = null
}

variable "llm_base_url" {
  description = "LLM_BASE_URL of an OpenAI-compatible endpoint, over TLS on port 443."
  type        = string
  default     = null

  validation {
    condition     = var.llm_provider != "openai" || can(regex("^https://[^:/]+(/.*)?$", var.llm_base_url))
    error_message = "llm_provider = \"openai\" needs an https:// address on the usual port."
  }
}

variable "llm_api_key" {
  description = "Goes to Secrets Manager and neither into the state nor into a plan. Give it when secret_versions.llm_api_key changes."
  type        = string
  default     = ""
  nullable    = false
  ephemeral   = true
  sensitive   = true
}

variable "llm_context" {
  description = "LLM_CONTEXT, tokens."
  type        = number
  default     = 8192

  validation {
    condition     = var.llm_context >= 512
    error_message = "512 at least."
  }
}

variable "llm_concurrency" {
  description = "LLM_CONCURRENCY: questions each task has open at once."
  type        = number
  default     = 2

  validation {
    condition     = var.llm_concurrency >= 1 && var.llm_concurrency <= 64
    error_message = "1 to 64."
  }
}

variable "model" {
  description = "The GPU instance of llm_provider = \"ollama\". The image id may be an SSM parameter of AWS's GPU images."
  type = object({
    instance_type = optional(string, "g4dn.xlarge")
    disk_gb       = optional(number, 80)
    image_id      = optional(string, "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id")
    ollama        = optional(string, "ollama/ollama:0.35.1")
  })
  default = {}

  validation {
    condition     = can(regex("^(g4dn|g5|g6|g6e)\\.", var.model.instance_type))
    error_message = "An instance with an NVIDIA GPU: g4dn, g5, g6 or g6e."
  }

  validation {
    condition     = can(regex(":[0-9]", var.model.ollama))
    error_message = "Pin Ollama's version."
  }

  validation {
    condition     = var.model.disk_gb >= 60
    error_message = "60 GB at least: the system, the image and the model."
  }
}

# The database

variable "database_version" {
  description = "Major version of Postgres."
  type        = string
  default     = "17"

  validation {
    condition     = contains(["17", "18"], var.database_version)
    error_message = "17 or 18."
  }
}

variable "database_class" {
  description = "Instance class."
  type        = string
  default     = "db.t4g.small"

  validation {
    condition     = startswith(var.database_class, "db.")
    error_message = "An instance class, such as db.t4g.small."
  }
}

variable "database_multi_az" {
  description = "A standby in another zone: twice the price, a failover of one to two minutes instead of a restore."
  type        = bool
  default     = true
}

variable "database_storage_gb" {
  description = "Storage at first; it grows by itself up to four times that."
  type        = number
  default     = 20

  validation {
    condition     = var.database_storage_gb >= 20 && var.database_storage_gb <= 16384
    error_message = "20 to 16384."
  }
}

variable "database_connections" {
  description = "max_connections, within the memory of the class (AWS's own default is bytes / 9531392: about 190 with 2 GB)."
  type        = number
  default     = 180

  validation {
    condition     = var.database_connections >= 50
    error_message = "50 at least."
  }

  validation {
    condition = var.database_connections * 0.9 >= (
      var.api.max * 2 * var.database_pool
      + var.worker.max * (var.database_pool + var.jobs_concurrency + 3)
    )
    error_message = "Too few for api.max twice over (a deployment runs old and new beside each other) and worker.max, each with its pool."
  }
}

variable "database_pool" {
  description = "DATABASE_POOL: connections each task may hold."
  type        = number
  default     = 8

  validation {
    condition     = var.database_pool >= 2 && var.database_pool <= 100
    error_message = "2 to 100."
  }
}

variable "backup_days" {
  description = "How far back the database can be restored, to the second."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "1 to 35."
  }
}

# Operations

variable "secret_versions" {
  description = "Raise one to have that secret made anew with the next apply."
  type = object({
    database_password = optional(number, 1)
    tokens_secret     = optional(number, 1)
    admin_password    = optional(number, 1)
    llm_api_key       = optional(number, 1)
  })
  default = {}
}

variable "log_days" {
  description = "Retention of logs."
  type        = number
  default     = 365

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "A retention CloudWatch knows, up to 731 days."
  }
}

variable "alarm_email" {
  description = "Who is told of alarms; null: subscribe to the topic yourself."
  type        = string
  default     = null
}

variable "alarm_limits" {
  description = "When an alarm rings."
  type = object({
    p95_seconds        = optional(number, 2)
    errors_5xx         = optional(number, 10)
    oldest_job_seconds = optional(number, 1800)
    database_cpu       = optional(number, 80)
  })
  default = {}
}
