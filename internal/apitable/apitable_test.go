package apitable

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/api.md anew")

func TestTheTableOfAPIsIsTheOneInTheDocs(t *testing.T) {
	const name = "../../docs/api.md"
	if *update {
		if err := os.WriteFile(name, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil || string(b) != Markdown() {
		t.Fatalf("docs/api.md is not what the code serves (%v); run: go test ./internal/apitable -update", err)
	}
}
