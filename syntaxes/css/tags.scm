(class_selector (class_name) @name) @definition.selector
(id_selector (id_name) @name) @definition.selector
(keyframes_statement (keyframes_name) @name) @definition.keyframes
(declaration (property_name) @name (#match? @name "^--")) @definition.variable

(call_expression (function_name) @_var (arguments . (plain_value) @reference) (#eq? @_var "var"))
