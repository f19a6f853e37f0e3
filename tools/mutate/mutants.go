package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one change of the code. What says which, and where.
type mutant struct {
	id   int
	what string
}

// finder finds the mutants of a package, and writes the code that has them all.
// The code keeps its lines: only text within them is inserted or replaced.
type finder struct {
	files *token.FileSet
	types map[ast.Expr]types.TypeAndValue
	found []mutant

	text        string
	open, close map[int][]string // what is inserted at an offset: before a node, after one
	cut         map[int]int      // how many bytes are removed at an offset
}

// mutate returns the text of a file with all its mutants.
func (f *finder) mutate(file *ast.File, text string) string {
	if ast.IsGenerated(file) {
		return text
	}
	f.text, f.open, f.close, f.cut = text, map[int][]string{}, map[int][]string{}, map[int]int{}
	ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
		if d, ok := n.(*ast.GenDecl); ok && d.Tok != token.VAR {
			return false // types, and constants, which a mutant that is turned on later cannot change
		}
		if !f.isBesideError(n, stack) {
			f.visit(n, stack)
		}
		return true
	})
	all := maps.Clone(f.open)
	maps.Copy(all, f.close)
	var b strings.Builder
	last := 0
	for _, at := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(text[last:at])
		for _, s := range slices.Backward(f.close[at]) {
			b.WriteString(s)
		}
		b.WriteString(strings.Join(f.open[at], ""))
		last = at + f.cut[at]
	}
	return b.String() + text[last:]
}

// isBesideError reports whether a node is returned together with an error, so that
// nobody looks at it.
func (f *finder) isBesideError(n ast.Node, stack []ast.Node) bool {
	if len(stack) == 0 {
		return false
	}
	r, ok := stack[len(stack)-1].(*ast.ReturnStmt)
	if !ok || len(r.Results) < 2 {
		return false
	}
	last := f.types[r.Results[len(r.Results)-1]]
	return n != ast.Node(r.Results[len(r.Results)-1]) && !last.IsNil() && last.Type.String() == "error"
}

func (f *finder) visit(n ast.Node, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		f.operator(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.replace(n.OpPos, 1, "")
			f.wrap(n.X, "(", " == mutantOn(%d))", f.add(n, "! removed from"))
		}
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		f.negate(n.Cond)
	case *ast.SwitchStmt:
		for _, clause := range n.Body.List {
			if c, ok := clause.(*ast.CaseClause); ok && n.Tag == nil {
				f.negate(c.List...)
			}
		}
	case *ast.BlockStmt:
		f.statements(n.List, stack)
	case *ast.CaseClause:
		f.statements(n.Body, stack)
	case *ast.CommClause:
		f.statements(n.Body, stack)
	case *ast.FuncDecl:
		f.end(n.Type, n.Body)
	case *ast.FuncLit:
		f.end(n.Type, n.Body)
	case *ast.Ident:
		if t := f.types[n]; (n.Name == "true" || n.Name == "false") && t.Value != nil {
			by := map[string]string{"true": "!mutantOn(%d)", "false": "mutantOn(%d)"}[n.Name]
			f.replace(n.Pos(), len(n.Name), fmt.Sprintf(by, f.add(n, "the opposite of")))
		}
	case *ast.BasicLit:
		if n.Kind == token.INT && types.Identical(f.types[n].Type, types.Typ[types.Int]) {
			id := f.add(n, "1 added to")
			f.found = append(f.found, mutant{-id, strings.Replace(f.found[id-1].what, "added to", "taken from", 1)})
			f.wrap(n, "mutantInt(%d, ", ")", id)
		}
	}
}

// add adds a mutant, and returns its number. The number of a second one in the
// same place is the negative of the first.
func (f *finder) add(n ast.Node, what string) int {
	const most = 70
	id := len(f.found) + 1
	words := strings.Join(strings.Fields(f.text[f.offset(n.Pos()):f.offset(n.End())]), " ")
	if len(words) > most {
		words = words[:most] + "..."
	}
	at := f.files.Position(n.Pos())
	f.found = append(f.found, mutant{id, fmt.Sprintf("%s:%d: %s %s", filepath.Base(at.Filename), at.Line, what, words)})
	return id
}

func (f *finder) offset(p token.Pos) int { return f.files.Position(p).Offset }

// wrap puts text around a node, with the mutant's number where it has a %d.
func (f *finder) wrap(n ast.Node, before, after string, id int) {
	number := func(s string) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(id)) }
	from, to := f.offset(n.Pos()), f.offset(n.End())
	f.open[from] = append(f.open[from], number(before))
	f.close[to] = append(f.close[to], number(after))
}

func (f *finder) replace(p token.Pos, length int, by string) {
	at := f.offset(p)
	f.open[at], f.cut[at] = append(f.open[at], by), length
}

// operator replaces comparisons by their opposite and by that which differs
// when both sides are the same, and the other operators by each other.
func (f *finder) operator(n *ast.BinaryExpr) {
	if f.types[n].Value != nil {
		return // constant
	}
	op := n.Op.String()
	switch n.Op {
	case token.EQL, token.NEQ:
		f.wrap(n, "((", ") != mutantOn(%d))", f.add(n, "the opposite of"))
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.wrap(n, "(", " != mutantOn(%d))", f.add(n, "the opposite of"))
		f.wrap(n, "mutantOrder(%d, ", ")", f.add(n, "the other result for the same values of"))
		f.replace(n.OpPos, len(op), `, "`+op+`", `)
	case token.LAND, token.LOR:
		name := map[token.Token]string{token.LAND: "mutantAnd", token.LOR: "mutantOr"}[n.Op]
		f.wrap(n, name+"(%d, ", " })", f.add(n, "and for or, or for and, in"))
		f.replace(n.OpPos, len(op), ", func() bool { return ")
		f.negate(n.X, n.Y)
	case token.ADD, token.SUB:
		if t, ok := f.types[n].Type.Underlying().(*types.Basic); ok && (t.Kind() == types.Int || t.Kind() == types.Int64) {
			f.wrap(n, "mutantSum(%d, ", ")", f.add(n, "+ for -, or - for +, in"))
			f.replace(n.OpPos, len(op), fmt.Sprintf(", %t, ", n.Op == token.ADD))
		}
	}
}

// negate negates conditions that are not operators or constants themselves.
func (f *finder) negate(conditions ...ast.Expr) {
	for _, c := range conditions {
		if f.types[c].Value != nil {
			continue
		}
		switch c.(type) {
		case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
			f.wrap(c, "(", " != mutantOn(%d))", f.add(c, "the opposite of"))
		}
	}
}

// statements removes each statement that declares nothing.
func (f *finder) statements(list []ast.Stmt, stack []ast.Node) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ReturnStmt:
			f.returned(s, f.results(stack))
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				f.remove(s)
			}
		case *ast.BranchStmt:
			if s.Tok != token.FALLTHROUGH {
				f.remove(s)
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
			f.remove(s)
		}
	}
}

func (f *finder) remove(s ast.Stmt) { f.wrap(s, "if !mutantOn(%d) { ", " }", f.add(s, "removed")) }

// returned removes a return, has it return zero values, or the opposite of a
// bool.
func (f *finder) returned(n *ast.ReturnStmt, results []string) {
	f.remove(n)
	if len(results) == 1 && results[0] == "bool" && len(n.Results) == 1 {
		f.negate(n.Results[0])
		return
	}
	isZero := func(e ast.Expr) bool {
		lit, ok := e.(*ast.CompositeLit)
		return ok && len(lit.Elts) == 0 || slices.Contains([]string{"nil", "0", "false", `""`}, f.text[f.offset(e.Pos()):f.offset(e.End())])
	}
	if slices.ContainsFunc(n.Results, func(e ast.Expr) bool { return !isZero(e) }) {
		f.wrap(n, "if mutantOn(%d) { return *new("+strings.Join(results, "), *new(")+") }; ", "", f.add(n, "zero values for"))
	}
}

// results returns the types that the innermost function returns.
func (f *finder) results(stack []ast.Node) []string {
	var fields *ast.FieldList
	for _, n := range stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			fields = n.Type.Results
		case *ast.FuncLit:
			fields = n.Type.Results
		}
	}
	var all []string
	if fields != nil {
		for _, field := range fields.List {
			name := f.text[f.offset(field.Type.Pos()):f.offset(field.Type.End())]
			all = append(all, slices.Repeat([]string{name}, max(1, len(field.Names)))...)
		}
	}
	return all
}

// end makes a function compile whose last return can be removed.
func (f *finder) end(t *ast.FuncType, body *ast.BlockStmt) {
	if t.Results != nil && body != nil {
		at := f.offset(body.Rbrace)
		f.close[at] = append(f.close[at], `; panic("`+noReturn+`") `)
	}
}
