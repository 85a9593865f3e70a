(command name: (command_name (word) @_source) . argument: (_) @import (#match? @_source "^(source|\\.)$"))
