"""What several pages share: inert text, messages, badges, charts, pickers, dialogs."""
