# What the variables refuse. rehearse.py runs this; Terraform cannot mock ephemeral resources yet,
# so by hand it would ask the real AWS who you are.

variables {
  region      = "eu-central-1"
  domain_name = "library.example.org"
  zone_id     = "Z0000000000000000000"
  image       = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/luminalib:1"
  admin_email = "librarian@example.org"
}

run "an_image_without_a_version" {
  command = plan
  variables {
    image = "registry.example.org:5000/luminalib"
  }
  expect_failures = [var.image]
}

run "an_image_called_latest" {
  command = plan
  variables {
    image = "registry.example.org/luminalib:latest"
  }
  expect_failures = [var.image]
}

run "neither_a_zone_nor_a_certificate" {
  command = plan
  variables {
    zone_id = null
  }
  expect_failures = [var.certificate_arn]
}

run "a_hosted_model_without_tls" {
  command = plan
  variables {
    llm_provider = "openai"
    llm_base_url = "http://llm.example.org/v1"
  }
  expect_failures = [var.llm_base_url]
}

run "a_secret_among_the_settings" {
  command = plan
  variables {
    settings = { TOKENS_SECRET = "readable by everybody" }
  }
  expect_failures = [var.settings]
}

run "more_tasks_than_the_database_has_connections_for" {
  command = plan
  variables {
    api = { max = 12 }
  }
  expect_failures = [var.database_connections]
}

run "no_worker_at_all" {
  command = plan
  variables {
    worker = { min = 0 }
  }
  expect_failures = [var.worker]
}

run "a_single_zone" {
  command = plan
  variables {
    zones = ["a", "a"]
  }
  expect_failures = [var.zones]
}

run "an_unpinned_ollama" {
  command = plan
  variables {
    model = { ollama = "ollama/ollama:latest" }
  }
  expect_failures = [var.model]
}
