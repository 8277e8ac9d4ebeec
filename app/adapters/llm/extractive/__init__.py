from app.adapters.llm.extractive.provider import ExtractiveLLM as ExtractiveLLM
