package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/pkg/catalog"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/selector"
	"github.com/conftool/confctl/pkg/yamldoc"
)

func newSelect(std streams, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "select SELECTOR get | set/FIELD=VALUE[:...] | set FIELD=VALUE... | set/@FILE | edit | delete",
		Short: "Show or change the objects that a selector chooses",
		Long: `Show or change the objects that a selector chooses.

A selector is TAG=REGEX,... over the type's tags and name. Each regular
expression must match the whole of its tag; a tag left out matches all.

  get      one line of JSON each, or as -o says
  set      give fields new values: set/weight=10:pooled=yes, or as words,
           where a value may hold anything: set 'val={"a": 1}'
  edit     open the objects in an editor, as YAML
  delete   delete them

If more than one object is chosen, every action but get asks first.

` + exitHelp(exitDone, exitFailed, exitUsage, exitNoMatch, exitConflict, exitUnavailable, exitInvalid, exitDeclined, exitUnknown),
		Example: `  confctl select dc=north,cluster=web,service=https get
  confctl select name=web1001.example.net set/pooled=no
  confctl --object-type mwconfig select name=ReadOnly set 'val=Maintenance: back at 10:00'
  confctl --object-type mwconfig select scope=common edit`,
		Args:              arguments(2, -1),
		ValidArgsFunction: g.completeSelect,
		RunE: func(cmd *cobra.Command, args []string) error {
			return with(std, g, func(s *session) error { return s.runSelect(cmd.Context(), args[0], args[1:]) })
		},
	}
}

func (s *session) runSelect(ctx context.Context, text string, words []string) error {
	t, err := s.typ()
	if err != nil {
		return err
	}
	chosen, err := t.Selector(text)
	if err != nil {
		return err
	}
	act, err := parseAction(t, words)
	if err != nil {
		return err
	}
	q := catalog.Query{Type: t, Selector: chosen}
	if act.verb == "get" {
		return s.get(ctx, q, s.printObjects)
	}
	return s.change(ctx, q, act, nil)
}

// action is what is to be done with the objects that are chosen.
type action struct {
	verb        string // get, set, edit or delete
	text        string // for the journal and the announcement, as it was typed
	assignments []object.Assignment
}

// parseAction reads the words after a selector.
func parseAction(t *schema.Type, words []string) (action, error) {
	verb, argument, slash := strings.Cut(words[0], "/")
	act := action{verb: verb, text: strings.Join(words, " ")}
	var err error
	switch {
	case verb == "set" && slash && strings.HasPrefix(argument, "@"):
		act.assignments, err = assignmentsOfFile(t, argument[1:])
	case verb == "set" && slash:
		act.assignments, err = object.ParseAssignments(t, argument)
	case verb == "set" && len(words) > 1:
		act.assignments, err = object.ParseWords(t, words[1:])
		return act, err
	case verb == "set":
		_, err = object.ParseAssignments(t, "")
	case slash || (verb != "get" && verb != "edit" && verb != "delete"):
		return act, unknownAction(words[0])
	}
	if err == nil && len(words) > 1 {
		err = &usageError{fmt.Sprintf("unexpected %q after %s", words[1], words[0]), "a value with blanks in it has to be quoted"}
	}
	return act, err
}

func unknownAction(word string) error {
	verbs := []string{"get", "set", "edit", "delete"}
	hint := "actions are get, set/FIELD=VALUE, set/@FILE, edit and delete"
	if strings.Contains(word, "=") {
		hint = "to change fields: set/" + word
	}
	return &usageError{fmt.Sprintf("no action %q%s", word, nearest.Suggest(word, verbs)), hint}
}

func assignmentsOfFile(t *schema.Type, file string) ([]object.Assignment, error) {
	doc, err := yamldoc.Read(file)
	if err != nil {
		return nil, err
	}
	return object.FileAssignments(t, doc)
}

// get reads and shows. Values that cannot be read are named, and the others
// are shown all the same.
func (s *session) get(ctx context.Context, q catalog.Query, show func(*schema.Type, []object.Object) error) error {
	snapshot, err := s.catalog.Read(ctx, q)
	if err != nil {
		return err
	}
	var notes limited
	for _, o := range snapshot.Objects {
		if o.Malformed != nil {
			s.say("%s cannot be read: %v (at %s)", o, o.Malformed, s.catalog.Key(o))
			continue
		}
		for _, v := range o.Violations {
			notes.add("%s: %s; shown as it is stored", o, v)
		}
	}
	for _, key := range snapshot.Strays {
		notes.add("key %s is no object of type %s, whose keys end in %s; ignored", key, q.Type.Name, keyForm(q.Type))
	}
	notes.warn(s.streams)
	all := len(snapshot.Objects)
	readable := slices.DeleteFunc(snapshot.Objects, func(o object.Object) bool { return o.Malformed != nil })
	if err := show(q.Type, readable); err != nil {
		return err
	}
	if len(readable) < all {
		return &partlyError{exitInvalid}
	}
	return nil
}

// keyForm shows how the keys of a type end: pools/<dc>/<cluster>/<name>.
func keyForm(t *schema.Type) string {
	form := t.Path
	for _, tag := range append(append([]string{}, t.Tags...), selector.Name) {
		form += "/<" + tag + ">"
	}
	return form
}

// limited is warnings of one sort: the first are said, the rest counted.
type limited struct {
	first []string
	more  int
}

func (l *limited) add(format string, args ...any) {
	if len(l.first) == 10 {
		l.more++
		return
	}
	l.first = append(l.first, fmt.Sprintf(format, args...))
}

func (l *limited) warn(std streams) {
	for _, line := range l.first {
		std.warn(line)
	}
	if l.more > 0 {
		std.warn(fmt.Sprintf("and %d more like these", l.more))
	}
}

// change makes a change to the objects that are chosen. A check may look at
// them first and stop it.
func (s *session) change(ctx context.Context, q catalog.Query, act action, check func(object.Snapshot) error) error {
	in := change.Intent{
		Queries:  []catalog.Query{q},
		Action:   act.text,
		Selector: q.Selector.String(),
		Ask:      true,
	}
	return s.changeAs(ctx, in, act, check)
}

// changeAs is change for an intent that says more than what is chosen.
func (s *session) changeAs(ctx context.Context, in change.Intent, act action, check func(object.Snapshot) error) error {
	plan, answer := s.planner(act)
	if act.verb == "edit" {
		e := &edit{session: s, ctx: ctx}
		plan, answer, in.Ask, in.Stop = e.plan, e.answer, false, true
		defer e.end()
	}
	in.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		if err := s.changeable(in, snapshot); err != nil {
			return object.Plan{}, err
		}
		if check != nil {
			if err := check(snapshot); err != nil {
				return object.Plan{}, err
			}
		}
		return plan(snapshot)
	}
	return s.apply(ctx, in, answer)
}

// changeable reports what is in the way of any change to what was chosen: that
// there is nothing, or that what is stored cannot be read.
func (s *session) changeable(in change.Intent, snapshot object.Snapshot) error {
	if len(snapshot.Objects) == 0 {
		t := in.Queries[0].Type
		return &noMatchError{fmt.Sprintf("nothing matched %s of type %s, nothing changed", in.Selector, t.Name), ""}
	}
	for _, o := range snapshot.Objects {
		if o.Malformed != nil && !s.repair {
			return &object.InvalidError{
				Object: o.String(),
				Reason: fmt.Sprintf("what is stored cannot be read: %v", o.Malformed),
				Hint:   "--repair changes it all the same, starting from the defaults; what is stored now stays in the journal",
			}
		}
	}
	return nil
}

// planner returns how an action plans, and how it tells what was done.
func (s *session) planner(act action) (func(object.Snapshot) (object.Plan, error), func(change.Done)) {
	if act.verb == "delete" {
		return func(snapshot object.Snapshot) (object.Plan, error) {
			return object.Delete(snapshot.Objects), nil
		}, s.tellDeleted
	}
	return func(snapshot object.Snapshot) (object.Plan, error) {
		return object.Set(snapshot.Objects, act.assignments)
	}, s.tellChanged
}

// tellChanged prints a line for each field that changed.
func (s *session) tellChanged(done change.Done) {
	for _, o := range done.Objects {
		for _, f := range o.Fields() {
			s.tell(changedLine(o.Path, f))
		}
	}
}

func (s *session) tellDeleted(done change.Done) {
	for _, o := range done.Objects {
		s.tell(fmt.Sprintf("Deleted %s %s.", o.Type, o.Path))
	}
}

// tell prints a line about what is done already, so that an output that is
// gone changes nothing more than that.
func (s *session) tell(line string) {
	if err := s.print("%s\n", line); err != nil {
		s.warn(err.Error())
	}
}
