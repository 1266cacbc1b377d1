// Package apitable writes docs/api.md, the table of the Kafka APIs that Troupe serves, from the routes themselves.
package apitable

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
)

// Markdown is the content of docs/api.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# The Kafka APIs that Troupe serves

Made from the code (` + "`go test ./internal/apitable -update`" + `). ApiVersions advertises exactly these ranges, and each version in them is served in full;
an API that is not here is not advertised, and a request for it closes the connection. "Newest known" is the newest version that the protocol library knows.

| key | API | versions | newest known |
|---|---|---|---|
`)
	for _, r := range api.Routes() {
		newest := "–"
		if req := kmsg.RequestForKey(r.Key); req != nil {
			newest = fmt.Sprint(req.MaxVersion())
		}
		fmt.Fprintf(&b, "| %d | %s | %d–%d | %s |\n", r.Key, kmsg.NameForKey(r.Key), r.Min, r.Max, newest)
	}
	return b.String()
}
