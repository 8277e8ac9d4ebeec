# Everything at its fullest, for rehearse.py and the policy linter; names nothing that exists.
region       = "eu-central-1"
domain_name  = "library.example.org"
zone_id      = "Z0000000000000000000"
image        = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/luminalib:1"
admin_email  = "librarian@example.org"
alarm_email  = "operations@example.org"
llm_provider = "ollama"
