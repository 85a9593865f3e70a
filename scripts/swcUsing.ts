/**
 * Teaches dependency-cruiser's swc parser the `using` statement.
 *
 * Its visitor extends `Visitor` of @swc/core, which is deprecated and knows no UsingDeclaration: the first file with
 * `using` ends the run ("Unknown statement type"; seen with @swc/core 1.16.22 and dependency-cruiser 18.7.2). Both load
 * the same class, so it is mended here, once, on import. This may go when checkImports.ts passes without it.
 */
import type { Statement, VariableDeclarator } from "@swc/core";
import { Visitor } from "@swc/core/Visitor.js";

interface UsingDeclaration {
  readonly type: "UsingDeclaration";
  decls: VariableDeclarator[];
}

const visitKnownStatement = Visitor.prototype.visitStatement;

Visitor.prototype.visitStatement = function visitStatement(statement: Statement | UsingDeclaration): Statement {
  if (statement.type !== "UsingDeclaration") return visitKnownStatement.call(this, statement);
  statement.decls = this.visitVariableDeclarators(statement.decls);
  return statement as unknown as Statement; // The visitor's callers only hand it back to the tree it came from.
};
