"""What a public page needs: request guard, link previews, health, fair turns and memory."""
