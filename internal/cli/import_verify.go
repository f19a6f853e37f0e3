package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/conftool/confctl/internal/dump"
	"github.com/conftool/confctl/internal/text"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
)

// compare reads the source and the store again, compares all values, and prints
// the differences. If there are any, or if objects were left out, it returns an
// error with exitFailed. Objects that are only in the store count as differences
// with --remove-others.
func (i *importer) compare(ctx context.Context) error {
	d, left, err := i.read(ctx)
	if err != nil {
		return err
	}
	snapshot, err := i.Catalog.Read(ctx, queries(d.Types)...)
	if err != nil {
		return err
	}
	differences := object.Differences(d.Wanted(snapshot), snapshot)
	others := d.Others(snapshot)
	err = i.Write(func(w *bufio.Writer) {
		for _, difference := range differences {
			fmt.Fprintln(w, text.OneLine(difference.String()))
		}
		for _, o := range others {
			if i.removeOthers {
				fmt.Fprintln(w, text.OneLine(o.String()+" is only in the store"))
			}
		}
		fmt.Fprintf(w, "%d of %s of the source are the same in the store\n", len(d.Objects)-len(differences), text.Count(len(d.Objects)+len(left), "object"))
	})
	if err != nil {
		return err
	}
	if !i.removeOthers {
		i.sayOthers(d.Types, others)
		others = nil
	}
	_, all := d.Plan(snapshot, dump.Terms{Fit: i.skipInvalid, Repair: i.opts.repair, Unfit: unfit(i.Catalog)})
	misfits, _ := dump.Left(all)
	i.sayLeftOut(append(left, misfits...))
	if len(differences)+len(left)+len(others) > 0 {
		return &partlyError{exitFailed}
	}
	return nil
}

// sayOthers prints the number of objects of each type that are only in the store.
func (i *importer) sayOthers(types []*schema.Type, others []object.Object) {
	if len(others) == 0 {
		return
	}
	count := map[*schema.Type]int{}
	for _, o := range others {
		count[o.Type]++
	}
	var parts []string
	for _, t := range types {
		if n := count[t]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", t.Name, n))
		}
	}
	i.Say("the store has %s that the source has not: %s", text.Count(len(others), "object"), strings.Join(parts, ", "))
}
