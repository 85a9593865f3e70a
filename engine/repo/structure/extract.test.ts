import { beforeAll, expect, test } from "vitest";
import { languageOf, languagesWithGrammar } from "../languages.ts";
import { structureAssets } from "./assets.ts";
import { createStructureReader, type StructureReader } from "./extract.ts";
import { kindOf } from "./fileStructure.ts";

let reader: StructureReader;
beforeAll(async () => {
  const assets = structureAssets();
  if (assets === null) throw new Error("the grammars are not installed");
  reader = await createStructureReader(assets);
});

/** Definitions as "line kind name", references as "line name", both in order of the text; each list counted by hand. */
async function check(
  file: string,
  text: string,
  expected: { readonly definitions: string; readonly references: string; readonly imports: string },
): Promise<void> {
  const language = languageOf(file);
  if (language === null) throw new Error(`${file}: no language`);
  await reader.prepare(language);
  const structure = reader.read(language, text);
  if (structure === null) throw new Error(`${file}: no structure`);
  const { definitions, references, imports } = structure;
  const list = (lines: string) =>
    lines
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  expect(definitions.names.map((name, i) => `${definitions.lines[i]} ${kindOf(definitions, i)} ${name}`)).toEqual(
    list(expected.definitions),
  );
  expect(references.names.map((name, i) => `${references.lines[i]} ${name}`)).toEqual(list(expected.references));
  expect(imports).toEqual(list(expected.imports));
}

test("every grammar loads with its queries", async () => {
  for (const language of languagesWithGrammar()) {
    await reader.prepare(language);
    expect(reader.read(language, "")?.definitions.names, language.id).toEqual([]);
  }
});

test("TypeScript", async () => {
  await check(
    "a.ts",
    `import { read, type Shape } from "./read.ts";
export interface Box extends Shape {
  area(): number;
}
export type Pair = readonly [Box, Box];
export enum Mode { Fast, Slow }
const limit = 10, other = read();
export const double = (x: number): number => x * 2;
export abstract class Crate<T> extends Base implements Box {
  #count = 0;
  handler = () => this.area();
  constructor(private readonly name: string) { super(); }
  static of(x: number) { return new Crate(String(x)); }
  area(): number { return double(limit); }
  abstract weight(): number;
}
function outer() {
  function inner() {}
  const local = 1;
  return inner();
}
declare function ambient(a: string): void;
namespace Deep { export const z = 1; }
`,
    {
      definitions: `
        2 interface Box
        3 method area
        5 type Pair
        6 enum Mode
        6 constant Fast
        6 constant Slow
        7 constant limit
        7 constant other
        8 function double
        9 class Crate
        11 method handler
        12 method constructor
        13 method of
        14 method area
        15 method weight
        17 function outer
        18 function inner
        22 function ambient
        23 module Deep`,
      references: `
        1 read
        1 Shape
        2 Shape
        5 Box
        5 Box
        7 read
        9 T
        9 Base
        9 Box
        11 area
        13 Crate
        13 String
        14 double
        20 inner`,
      imports: "./read.ts",
    },
  );
});

test("TSX", async () => {
  await check(
    "a.tsx",
    `import React from "react";
export function Panel({ title }: { title: string }) {
  return <Frame title={title}><Frame.Row /><Button onClick={() => save(title)} /></Frame>;
}
export const Lazy = React.lazy(() => import("./Big.tsx"));
`,
    {
      definitions: `
        2 function Panel
        5 constant Lazy`,
      references: `
        3 Frame
        3 Row
        3 Button
        3 save
        5 lazy`,
      imports: `
        react
        ./Big.tsx`,
    },
  );
});

test("JavaScript", async () => {
  await check(
    "a.js",
    `const fs = require("node:fs");
import defaultName, { open as start } from "./open.js";
export * from "./all.js";
class Queue extends events.EventEmitter {
  #size = 0;
  push(item) { this.#grow(); return start(item); }
  #grow() {}
  static from = (items) => new Queue(items);
}
exports.run = async function () { await fs.promises.readFile("x"); };
export default function* walk() { yield* walk(); }
var table = { open: () => 1, "close": 2 };
async function load() { const later = () => import("./later.js"); return later(); }
`,
    {
      definitions: `
        1 constant fs
        4 class Queue
        6 method push
        7 method #grow
        8 method from
        10 function run
        11 function walk
        12 constant table
        12 function open
        13 function load
        13 function later`,
      references: `
        1 require
        2 open
        4 EventEmitter
        6 #grow
        6 start
        8 Queue
        10 readFile
        11 walk
        13 later`,
      imports: `
        node:fs
        ./open.js
        ./all.js
        ./later.js`,
    },
  );
});

test("Python", async () => {
  await check(
    "a.py",
    `import os.path as p, sys
from .models import Base, Item as Thing
from .. import util
LIMIT = 10
a, b = 1, 2

@dataclass
class Store(Base, abc.ABC):
    size: Item = 0

    @property
    def count(self) -> Optional[int]:
        return len(self.items)

    async def load(self, path):
        def helper():
            return open(path)
        try:
            return helper()
        except OSError:
            raise util.Failure()

def main():
    Store().load(p.join("a", "b"))
`,
    {
      definitions: `
        4 constant LIMIT
        5 constant a
        5 constant b
        8 class Store
        12 function count
        15 function load
        16 function helper
        23 function main`,
      references: `
        2 Base
        2 Item
        3 util
        7 dataclass
        8 Base
        8 ABC
        9 Item
        11 property
        12 int
        13 len
        17 open
        19 helper
        20 OSError
        21 Failure
        24 Store
        24 load
        24 join`,
      imports: `
        os.path
        sys
        .models
        ..`,
    },
  );
});

test("Go", async () => {
  await check(
    "a.go",
    `package queue

import (
	"fmt"
	str "strings"
)

const (
	A = iota
	B
)

var ErrFull = errors.New("full")

type Item struct {
	Name string
	next *Item
}

type Sink interface {
	Put(item Item) error
}

type ID = int
type List []Item

func (l *List) Put(item Item) error {
	fmt.Println(str.ToUpper(item.Name))
	return check(item)
}

func New[T any](size int) *List { return &List{} }
`,
    {
      definitions: `
        9 constant A
        10 constant B
        13 variable ErrFull
        15 struct Item
        20 interface Sink
        21 method Put
        24 type ID
        25 type List
        27 method Put
        32 function New`,
      references: `
        13 New
        16 string
        17 Item
        21 Item
        21 error
        24 int
        25 Item
        27 List
        27 Item
        27 error
        28 Println
        28 ToUpper
        29 check
        32 any
        32 int
        32 List
        32 List`,
      imports: `
        fmt
        strings`,
    },
  );
});

test("Rust", async () => {
  await check(
    "a.rs",
    `use std::collections::{HashMap, btree_map::Entry};
mod inner;
pub const MAX: usize = 4;
static NAME: &str = "x";
macro_rules! square { ($x:expr) => { $x * $x }; }
pub struct Point { x: f32 }
struct Unit;
pub enum Shape { Circle(Point), Empty }
pub trait Area { type Out; fn area(&self) -> f32; fn twice(&self) -> f32 { self.area() * 2.0 } }
impl Area for Point {
    type Out = f32;
    fn area(&self) -> f32 { square!(self.x) }
}
type Map = HashMap<String, Point>;
fn main() {
    let p = Point::new(helper::<u8>());
    println!("{}", p.area());
}
mod tests { fn one() {} }
`,
    {
      definitions: `
        2 module inner
        3 constant MAX
        4 variable NAME
        5 macro square
        6 struct Point
        7 struct Unit
        8 enum Shape
        8 constant Circle
        8 constant Empty
        9 trait Area
        9 type Out
        9 function area
        9 function twice
        11 type Out
        12 function area
        14 type Map
        15 function main
        19 module tests
        19 function one`,
      references: `
        1 HashMap
        1 Entry
        8 Point
        9 area
        10 Area
        10 Point
        12 square
        14 HashMap
        14 String
        14 Point
        16 Point
        16 new
        16 helper
        17 println`,
      imports: `
        std::collections::{HashMap, btree_map::Entry}
        inner`,
    },
  );
});

test("Java", async () => {
  await check(
    "A.java",
    `package demo;
import java.util.List;
import static java.lang.Math.max;

@Component
public class A<T> extends Base implements Runnable {
  public static final int LIMIT = 3;
  private List<String> names;
  enum Mode { FAST, SLOW }
  record Point(int x, int y) {}
  interface Visitor { void visit(A a); }
  @interface Marker { String value(); }
  public A(int size) { super(size); }
  @Override
  public void run() { names.forEach(this::print); max(1, 2); new Point(1, 2); }
  abstract int weight();
}
`,
    {
      definitions: `
        6 class A
        7 constant LIMIT
        9 enum Mode
        9 constant FAST
        9 constant SLOW
        10 class Point
        11 interface Visitor
        11 method visit
        12 interface Marker
        12 method value
        13 method A
        15 method run
        16 method weight`,
      references: `
        5 Component
        6 T
        6 Base
        6 Runnable
        8 List
        8 String
        11 A
        12 String
        14 Override
        15 forEach
        15 print
        15 max
        15 Point`,
      imports: `
        java.util.List
        java.lang.Math.max`,
    },
  );
});

test("C", async () => {
  await check(
    "a.c",
    `#include <stdio.h>
#include "list.h"
#define MAX 10
#define SQUARE(x) ((x) * (x))
typedef struct node { int value; struct node *next; } node_t;
typedef int (*compare_fn)(int, int);
enum color { RED, GREEN };
union both { int i; float f; };
static int count;
int add(int a, int b);
char *name_of(node_t *n);
static inline node_t *push(node_t *list, int value) {
  node_t *n = malloc(sizeof(node_t));
  if (SQUARE(value) > MAX) report("big");
  return n;
}
int main(void) { return add(1, list->size(2)); }
`,
    {
      definitions: `
        3 macro MAX
        4 macro SQUARE
        5 struct node
        5 type node_t
        6 type compare_fn
        7 enum color
        7 constant RED
        7 constant GREEN
        8 struct both
        10 function add
        11 function name_of
        12 function push
        17 function main`,
      references: `
        5 node
        11 node_t
        12 node_t
        12 node_t
        13 node_t
        13 malloc
        14 SQUARE
        14 report
        17 add
        17 size`,
      imports: `
        stdio.h
        list.h`,
    },
  );
});

test("C++", async () => {
  await check(
    "a.cpp",
    `#include <vector>
namespace app {
template <typename T> class Stack : public Base<T> {
 public:
  Stack();
  ~Stack() { clear(); }
  void push(const T& value) { items.push_back(value); }
  T& top();
  bool operator==(const Stack& other) const { return true; }
 private:
  std::vector<T> items;
};
struct Point { int x; };
enum class Mode { Fast };
using Ints = std::vector<int>;
}
app::Stack<int>::Stack() { init(); }
void Widget::draw() const { helper<int>(3); app::paint(*this); }
Point& Widget::origin() { return point_; }
int main() { auto s = new Point(); return 0; }
`,
    {
      definitions: `
        2 module app
        3 class Stack
        5 method Stack
        6 method ~Stack
        7 method push
        8 method top
        9 method operator==
        13 struct Point
        14 enum Mode
        14 constant Fast
        15 type Ints
        17 method Stack
        18 method draw
        19 method origin
        20 function main`,
      references: `
        3 T
        3 Base
        3 T
        6 clear
        7 T
        7 push_back
        8 T
        9 Stack
        11 vector
        11 T
        15 vector
        17 Stack
        17 init
        18 helper
        18 paint
        19 Point
        20 Point`,
      imports: `
        vector`,
    },
  );
});

test("C#", async () => {
  await check(
    "a.cs",
    `using System.Collections.Generic;
namespace Demo.App
{
    [Serializable]
    public class Store<T> : Base, IStore
    {
        private readonly List<Item> items = new List<Item>();
        public int Count { get; set; }
        public event Action Changed;
        public Store(Item first) { Add(first); }
        public void Add(Item item) => items.Add(item);
        void Run() { int Local(int x) => x; Local(1); Helper.Make<int>(); }
    }
    public interface IStore { void Add(Item item); }
    public struct Point { }
    public enum Mode { Fast, Slow }
    public record Person(string Name);
    public delegate void Handler(int x);
}
`,
    {
      definitions: `
        2 module Demo.App
        5 class Store
        8 property Count
        10 method Store
        11 method Add
        12 method Run
        12 function Local
        14 interface IStore
        14 method Add
        15 struct Point
        16 enum Mode
        16 constant Fast
        16 constant Slow
        17 class Person
        18 type Handler`,
      references: `
        4 Serializable
        5 Base
        5 IStore
        7 Item
        7 List
        7 Item
        9 Action
        10 Item
        10 Add
        11 Item
        11 Add
        12 Local
        12 Make
        14 Item`,
      imports: `
        System.Collections.Generic`,
    },
  );
});

test("Ruby", async () => {
  await check(
    "a.rb",
    `require "json"
require_relative "./store"
module Demo
  LIMIT = 3
  class Queue < Base::List
    include Enumerable
    attr_reader :items
    def initialize(size) = @size = size
    def push(item)
      check(item)
      Store.new(item).save
    end
    def self.build(*args)
      new(*args)
    end
    alias add push
  end
end
`,
    {
      definitions: `
        3 module Demo
        4 constant LIMIT
        5 class Queue
        8 method initialize
        9 method push
        13 method build
        16 method add`,
      references: `
        1 require
        2 require_relative
        5 Base
        5 List
        6 include
        6 Enumerable
        7 attr_reader
        10 check
        11 Store
        11 new
        11 save
        14 new`,
      imports: `
        json
        ./store`,
    },
  );
});

test("PHP", async () => {
  await check(
    "a.php",
    `<?php
namespace App\\Models;
use App\\Base\\Model;
require_once 'boot.php';
const LIMIT = 3;
interface Shape { public function area(): float; }
trait Logs { function log(string $m) { error_log($m); } }
enum Suit: string { case Hearts = 'H'; }
abstract class User extends Model implements Shape {
    use Logs;
    const KIND = 'user';
    public function __construct(private Address $address) { parent::__construct(); }
    public function area(): float { return helper($this->address->size()); }
    public static function make(): self { return new User(Factory::create()); }
}
function helper(?int $x) { return \\strlen($x); }
`,
    {
      definitions: `
        2 module App\\Models
        5 constant LIMIT
        6 interface Shape
        6 method area
        7 trait Logs
        7 method log
        8 enum Suit
        8 constant Hearts
        9 class User
        11 constant KIND
        12 method __construct
        13 method area
        14 method make
        16 function helper`,
      references: `
        7 error_log
        9 Model
        9 Shape
        10 Logs
        12 Address
        12 __construct
        13 helper
        13 size
        14 self
        14 User
        14 Factory
        14 create
        16 strlen`,
      imports: `
        App\\Base\\Model
        boot.php`,
    },
  );
});

test("Shell", async () => {
  await check(
    "a.sh",
    `#!/bin/bash
source ./lib.sh
. "$HOME/.profile"
LIMIT=3
export NAME=x
greet() {
  local who=$1
  echo "hello $who"
}
function part { greet "$NAME" | sort; }
part
`,
    {
      definitions: `
        4 variable LIMIT
        5 variable NAME
        6 function greet
        10 function part`,
      references: `
        2 source
        3 .
        8 echo
        10 greet
        10 sort
        11 part`,
      imports: `
        ./lib.sh
        $HOME/.profile`,
    },
  );
});

test("CSS", async () => {
  await check(
    "a.css",
    `@import "base.css";
@import url("theme.css");
:root { --accent: red; }
.button, a.link:hover { color: var(--accent); }
#main > .button { animation: spin 1s; }
@keyframes spin { from { opacity: 0; } }
`,
    {
      definitions: `
        3 variable --accent
        4 selector button
        4 selector link
        5 selector main
        5 selector button
        6 keyframes spin`,
      references: `
        4 --accent`,
      imports: `
        base.css
        theme.css`,
    },
  );
});

test("signatures are one line without the body, and nesting is known", async () => {
  const language = languageOf("a.ts");
  if (language === null) throw new Error("no TypeScript");
  const text = `export class A<T>
  extends B {
  async run(
    first: string, // why
    second = 1,
  ): Promise<void> { go(); }
}
export const add = (a: number, b: number): number => a + b;
type Big = {
  a: 1;
};
`;
  const definitions = reader.read(language, text)?.definitions;
  expect(definitions?.signatures).toEqual([
    "export class A<T> extends B",
    "async run( first: string, // why second = 1, ): Promise<void>",
    "export const add = (a: number, b: number): number",
    "type Big",
  ]);
  expect([...(definitions?.parents ?? [])]).toEqual([-1, 0, -1, -1]);
  expect([...(definitions?.endLines ?? [])]).toEqual([7, 6, 8, 11]);
});

test("a text that is not of its language still ends, with what could be read", async () => {
  const language = languageOf("a.ts");
  if (language === null) throw new Error("no TypeScript");
  expect(reader.read(language, "function ok() {}\n}}}} <<< %% @@@ ((((\n")?.definitions.names).toEqual(["ok"]);
  for (const text of ["{".repeat(60_000), "a ? ".repeat(50_000), `a${".b()".repeat(20_000)}`, "f(".repeat(20_000)]) {
    expect(reader.read(language, text)?.definitions.names ?? []).toEqual([]);
  }
  expect(reader.read(language, "function after() {}\n")?.definitions.names).toEqual(["after"]);
});
