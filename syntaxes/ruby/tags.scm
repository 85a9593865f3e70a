(class name: [(constant) (scope_resolution name: (constant))] @name) @definition.class
(module name: [(constant) (scope_resolution name: (constant))] @name) @definition.module
(method name: (_) @name) @definition.method
(singleton_method name: (_) @name) @definition.method
(alias name: (_) @name) @definition.method
(assignment left: (constant) @name) @definition.constant

(call method: [(identifier) (constant)] @reference)
(superclass [(constant) @reference (scope_resolution name: (constant) @reference)])
(scope_resolution name: (constant) @reference)
((constant) @reference)
