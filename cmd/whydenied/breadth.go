package main

import (
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain/fix"
)

// breadth is the flag that says how wide rules for files are to be.
type breadth struct{ of fix.Breadth }

func (b *breadth) add(flags *pflag.FlagSet) {
	flags.TextVar(&b.of, "breadth", fix.OfNames, "`HOW` wide rules for files are: exact, name, dir or tree")
}
