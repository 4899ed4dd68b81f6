"""The public face of Koll på läget: pages, chat API, booking, concerns and the staff app."""
