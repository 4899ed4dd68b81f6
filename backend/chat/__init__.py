"""The conversation: sessions, turns with the assistant, the chat API and page. Holds no case data."""
