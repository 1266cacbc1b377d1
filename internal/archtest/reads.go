package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// This file finds out which struct fields and constants the code reads. A configuration that is only parsed and carried about, and that
// nobody asks for, is one that is accepted and not enforced.

// Reads maps "import/path.Type.Field" and "import/path.Const" (paths within the module) to the packages of the module that read them, tests
// left out. A composite literal and the left side of an assignment write; everything else reads.
type Reads map[string]map[string]bool

// By says whether a package other than those named reads what.
func (r Reads) By(what string, except ...string) bool {
	for pkg := range r[what] {
		others := true
		for _, e := range except {
			others = others && pkg != e
		}
		if others {
			return true
		}
	}
	return false
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Module                  *struct{ Main bool }
}

// FindReads type-checks the module's packages at root that match the patterns. Types of what they import come from the build cache.
func FindReads(root string, patterns ...string) (Reads, error) {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Module"}, patterns...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := map[string]string{}
	var mine []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[l.ImportPath] = l.Export
		if l.Module != nil && l.Module.Main {
			mine = append(mine, l)
		}
	}
	reads := Reads{}
	for _, l := range mine {
		// Each package has an importer of its own: what it defines is named alike in all.
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range l.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
		info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{}}
		if _, err := config.Check(l.ImportPath, fset, files, info); err != nil {
			return nil, fmt.Errorf("check %s: %w", l.ImportPath, err)
		}
		reads.note(strings.TrimPrefix(l.ImportPath, Module+"/"), files, info)
	}
	return reads, nil
}

// note adds what one package reads.
func (r Reads) note(pkg string, files []*ast.File, info *types.Info) {
	read := func(what string) {
		if r[what] == nil {
			r[what] = map[string]bool{}
		}
		r[what][pkg] = true
	}
	written := map[ast.Expr]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					written[left] = true
				}
			case *ast.SelectorExpr:
				s := info.Selections[n]
				if s == nil || s.Kind() != types.FieldVal || written[n] {
					break
				}
				// The field may be promoted: its owner is the struct that the last step is made in.
				owner := s.Recv()
				for _, i := range s.Index()[:len(s.Index())-1] {
					owner = structOf(owner).Field(i).Type()
				}
				if p, ok := owner.Underlying().(*types.Pointer); ok {
					owner = p.Elem()
				}
				if named, ok := owner.(*types.Named); ok && named.Obj().Pkg() != nil {
					read(strings.TrimPrefix(named.Obj().Pkg().Path(), Module+"/") + "." + named.Obj().Name() + "." + s.Obj().Name())
				}
			case *ast.Ident:
				if c, ok := info.Uses[n].(*types.Const); ok && c.Pkg() != nil {
					read(strings.TrimPrefix(c.Pkg().Path(), Module+"/") + "." + c.Name())
				}
			}
			return true
		})
	}
}

// structOf is the struct that a type or what it points to is.
func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	return t.Underlying().(*types.Struct)
}
