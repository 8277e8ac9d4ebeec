#!/bin/sh
# Runs one command of the library as a task of its own, waits for it, and ends as it ended:
#   ./task.sh migrate          ./task.sh admin grant somebody@example.org librarian
# Terraform gives the variables below; by hand: eval "$(./task.sh --environment)"
set -eu

if [ "${1:-}" = "--environment" ]; then
  terraform output -json task_environment |
    python3 -c 'import json, shlex, sys
for name, value in json.load(sys.stdin).items(): print(f"export {name}={shlex.quote(value)}")'
  exit
fi
# The older command line knows only the second name.
export AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-${AWS_REGION:?}}"
: "${CLUSTER:?}" "${TASK_DEFINITION:?}" "${SUBNETS:?}" "${SECURITY_GROUP:?}"

overrides=$(python3 -c 'import json, sys
print(json.dumps({"containerOverrides": [{"name": "migrate", "command": sys.argv[1:]}]}))' "$@")

task=$(aws ecs run-task --cluster "$CLUSTER" --task-definition "$TASK_DEFINITION" \
  --launch-type FARGATE --count 1 --overrides "$overrides" \
  --network-configuration "awsvpcConfiguration={subnets=[$SUBNETS],securityGroups=[$SECURITY_GROUP],assignPublicIp=DISABLED}" \
  --query 'tasks[0].taskArn' --output text)
if [ "$task" = "None" ]; then
  echo "ECS did not start the task." >&2
  exit 1
fi
echo "Running '$*' as $task"
aws ecs wait tasks-stopped --cluster "$CLUSTER" --tasks "$task"

ended=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "$task" \
  --query 'tasks[0].[containers[0].exitCode, stoppedReason]' --output text)
code=$(printf '%s' "$ended" | cut -f1)
echo "Ended with $ended"
[ "$code" = "0" ]
