package cli

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// This file owns tables. Columns are as wide as what a terminal shows of their cells: a CJK character takes two columns, a
// combining accent none. A column of numbers stands to the right. What a cell cannot show (a line break or an escape
// sequence in a client's id) is written as an escape, so that no stranger's text moves the cursor.

// width measures as terminals do by default, whatever the locale.
var width = func() *runewidth.Condition {
	c := runewidth.NewCondition()
	c.EastAsianWidth, c.StrictEmojiNeutral = false, true
	return c
}()

// columnGap is what stands between two columns.
const columnGap = "  "

// Table writes rows under a header (its columns parted by spaces), in aligned columns.
func Table(w io.Writer, header string, rows func(row func(cells ...any))) {
	var lines [][]string
	titles := strings.Fields(header)
	widths := make([]int, len(titles))
	number := make([]bool, len(titles))
	for i, t := range titles {
		widths[i], number[i] = width.StringWidth(t), true
	}
	rows(func(cells ...any) {
		line := make([]string, len(cells))
		for i, c := range cells {
			line[i] = Printable(fmt.Sprint(c))
			if i < len(widths) {
				widths[i] = max(widths[i], width.StringWidth(line[i]))
				number[i] = number[i] && numeric(c, line[i])
			}
		}
		lines = append(lines, line)
	})
	if len(lines) == 0 {
		clear(number)
	}
	out := bufio.NewWriter(w)
	write := func(line []string) {
		var b strings.Builder
		for i, cell := range line {
			gap := 0
			if i < len(widths) {
				gap = max(0, widths[i]-width.StringWidth(cell))
			}
			if i > 0 {
				b.WriteString(columnGap)
			}
			if i < len(number) && number[i] {
				b.WriteString(strings.Repeat(" ", gap) + cell)
			} else {
				b.WriteString(cell + strings.Repeat(" ", gap))
			}
		}
		out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
	write(titles)
	for _, line := range lines {
		write(line)
	}
	_ = out.Flush()
}

// numeric says whether a cell may stand in a column of numbers: a number, or the mark of one that is not known.
func numeric(v any, text string) bool {
	switch v.(type) {
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, Number:
		return true
	}
	return text == "-" || text == "?"
}

// Number is text that stands to the right, as numbers do.
type Number string

// Printable writes control characters, and what is not UTF-8, as escapes.
func Printable(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && r != unicode.ReplacementChar && (unicode.IsPrint(r) || unicode.Is(unicode.M, r) || r == '\u200d')
	}
	if plain {
		return s
	}
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
