// Package archtest holds the house's rules as tests: imports go one way, actors are deterministic, and each configuration is read by
// somebody. The first two read the source only (go/parser): they need no build and see files of every build tag.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Module is the import path of the project.
const Module = "github.com/troupe-io/troupe"

// File is one parsed Go file of the project, test files excluded.
type File struct {
	Path string // slash-separated, from the module's root
	AST  *ast.File
	Set  *token.FileSet
}

// Parse reads every non-test Go file under root that belongs to the main module.
func Parse(root string) ([]File, error) {
	var files []File
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			base := path.Base(rel)
			if rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin" || base == "data") || nested(name, rel) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse %s: %w", rel, err)
		}
		files = append(files, File{rel, f, set})
		return nil
	})
	return files, err
}

// nested says that dir is a module of its own.
func nested(dir, rel string) bool {
	if rel == "." {
		return false
	}
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}

// under says whether p is dir or lies in it.
func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// CheckImports says which imports break the table: for the longest matching room, the rooms it may import. A room may
// always import itself; "*" is every room.
func CheckImports(files []File, table map[string][]string) []string {
	var wrong []string
	for _, f := range files {
		dir := path.Dir(f.Path)
		room := ""
		for r := range table {
			if under(dir, r) && len(r) > len(room) {
				room = r
			}
		}
		if room == "" {
			wrong = append(wrong, fmt.Sprintf("%s: the folder %s is in no room of the import table", f.Path, dir))
			continue
		}
		for _, spec := range f.AST.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil || !under(target, Module) {
				continue
			}
			target = strings.TrimPrefix(strings.TrimPrefix(target, Module), "/")
			ok := under(target, room)
			for _, allowed := range table[room] {
				ok = ok || allowed == "*" || under(target, allowed)
			}
			if !ok {
				wrong = append(wrong, fmt.Sprintf("%s: %s may not import %s; it may import %v", f.Set.Position(spec.Pos()), room, target, table[room]))
			}
		}
	}
	sort.Strings(wrong)
	return wrong
}

// Rule names a kind of thing that a deterministic room must not do by itself.
type Rule string

// The rules.
const (
	Clock     Rule = "clock"     // reading the clock, sleeping, timers
	Random    Rule = "random"    // randomness that is not from a seeded source
	World     Rule = "world"     // files, sockets, processes
	Goroutine Rule = "goroutine" // a bare go statement
	Lock      Rule = "lock"      // a mutex or condition variable
)

var forbiddenImports = map[string]Rule{
	"crypto/rand": Random, "github.com/google/uuid": Random,
	"os": World, "os/exec": World, "os/signal": World, "net/http": World, "golang.org/x/sys/unix": World,
	"io/ioutil": World,
}

var forbiddenNames = map[string]map[string]Rule{
	"time": {"Now": Clock, "Sleep": Clock, "After": Clock, "AfterFunc": Clock, "NewTimer": Clock, "NewTicker": Clock, "Tick": Clock, "Since": Clock, "Until": Clock},
	"sync": {"Mutex": Lock, "RWMutex": Lock, "Cond": Lock, "NewCond": Lock},
}

// pure is what anyone may use of packages that also reach the world: plain values, parsing, sources that are given a seed.
var pure = map[string]struct {
	names *regexp.Regexp
	rule  Rule
}{
	"syscall":      {regexp.MustCompile(`^(E[A-Z0-9]+|Errno|RawConn|Conn)$`), World},
	"net":          {regexp.MustCompile(`^(SplitHostPort|JoinHostPort|ParseIP|ParseCIDR|IP|IPNet|Addr|TCPAddr|Error|OpError|ErrClosed)$`), World},
	"math/rand":    {regexp.MustCompile(`^(New|NewSource|NewZipf|Rand|Source|Zipf)$`), Random},
	"math/rand/v2": {regexp.MustCompile(`^(New|NewPCG|NewChaCha8|NewZipf|Rand|Source|PCG|ChaCha8|Zipf)$`), Random},
}

// version is the last element of an import path that is not the package's name.
var version = regexp.MustCompile(`^v[0-9]+$`)

// Exception lets one file break some rules, and says why.
type Exception struct {
	Rules []Rule
	Why   string
}

// CheckDeterminism says where files in rooms break a rule without an exception, and which exceptions nothing needs.
func CheckDeterminism(files []File, rooms []string, exceptions map[string]Exception) []string {
	var wrong []string
	used := map[string]map[Rule]bool{}
	for _, f := range files {
		in := false
		for _, r := range rooms {
			in = in || under(f.Path, r)
		}
		if !in {
			continue
		}
		used[f.Path] = map[Rule]bool{}
		breaks := func(pos token.Pos, rule Rule, what string) {
			for _, r := range exceptions[f.Path].Rules {
				if r == rule {
					used[f.Path][rule] = true
					return
				}
			}
			wrong = append(wrong, fmt.Sprintf("%s: %s (%s): take it from outside, or move it to a shell with an exception that says why", f.Set.Position(pos), what, rule))
		}
		local := map[string]string{} // name in this file → import path
		for _, spec := range f.AST.Imports {
			target, _ := strconv.Unquote(spec.Path.Value)
			if rule, bad := forbiddenImports[target]; bad {
				breaks(spec.Pos(), rule, "imports "+target)
			}
			name := path.Base(target)
			if version.MatchString(name) {
				name = path.Base(path.Dir(target))
			}
			if spec.Name != nil {
				name = spec.Name.Name
			}
			local[name] = target
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				breaks(n.Pos(), Goroutine, "starts a goroutine")
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok {
					rule, bad := forbiddenNames[local[pkg.Name]][n.Sel.Name]
					if p, ok := pure[local[pkg.Name]]; ok && !p.names.MatchString(n.Sel.Name) {
						rule, bad = p.rule, true
					}
					if bad {
						breaks(n.Pos(), rule, "uses "+pkg.Name+"."+n.Sel.Name)
					}
				}
			}
			return true
		})
	}
	for file, e := range exceptions {
		for _, r := range e.Rules {
			if used[file] != nil && !used[file][r] {
				wrong = append(wrong, fmt.Sprintf("%s: the exception from %q is not needed any more; remove it", file, r))
			}
		}
		if e.Why == "" {
			wrong = append(wrong, fmt.Sprintf("%s: the exception does not say why", file))
		}
	}
	sort.Strings(wrong)
	return wrong
}
