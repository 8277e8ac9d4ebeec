# Fetches LLM_MODEL into the Ollama at OLLAMA_HOST, a line per percent, for as long as it takes.
set -u

held() { ollama show "$LLM_MODEL" >/dev/null 2>&1; }

fetch() {
  echo "Downloading the model $LLM_MODEL, once; the library is open meanwhile."
  # Ollama redraws its progress ten times a second, for a terminal
  ollama pull "$LLM_MODEL" 2>&1 |
    sed -un -e 's/.*\(pulling [0-9a-f]*: *[0-9]*%\).*/\1/p' -e 's/.*\(Error.*\)/\1/p' |
    stdbuf -oL uniq
}

case "$LLM_PROVIDER" in
  ollama | auto)
    held || fetch
    until held; do
      echo "It did not come; trying again in 30 s, from where it stopped."
      sleep 30
      fetch
    done
    echo "The model $LLM_MODEL is here."
    ;;
  *) echo "LLM_PROVIDER=$LLM_PROVIDER needs no model here." ;;
esac
# `up --wait` takes a container that has ended for one that has failed
exec sleep infinity
