package lint

import (
	"github.com/conftool/confctl/pkg/readers"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/seed"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// The rules of what only this package looks for, since it needs the schema and
// the data together.
const (
	RuleNeverMatches   = "schema-never-matches"
	RuleSelectsNothing = "json-schema-selects-nothing"
	RuleJSONDefault    = "json-schema-default"
	RuleJSONUnused     = "json-schema-unused"
	RuleNetwork        = "schema-network"
	RuleMapped         = "json-schema-mapped"
	RuleOutside        = "file-outside"
	RuleConfig         = "file-configuration"
)

// Rule is one sort of finding.
type Rule struct {
	Name     string
	Severity Severity // of its findings, but for what Says mentions
	Says     string   // what is wrong where it finds something
	Advice   string   // what to do about it
}

// Rules returns all rules that a finding can have.
func Rules() []Rule {
	var all []Rule
	for _, part := range [][]Rule{fileRules(), schemaRules(), jsonSchemaRules(), safetyRules(), readerRules(), dataRules()} {
		all = append(all, part...)
	}
	return all
}

func fileRules() []Rule {
	return []Rule{
		{yamldoc.RuleUnreadable, Error, "a file or directory is not there, cannot be read, is not a regular file, or is too large",
			"check its name and its permissions; a schema may have 1 MiB, a data file 8 MiB"},
		{yamldoc.RuleSyntax, Error, "a file is not valid YAML",
			"look at the line and the one before it: indentation, a colon without a blank after it, a quote or bracket that is not closed, a tab"},
		{yamldoc.RuleDuplicate, Error, "a key is there twice in one map, so that one of the two would be lost",
			"put what both hold under one of them, and take the other out"},
		{yamldoc.RuleEscapes, Error, "a symbolic link, a path or a reference leads out of the tree under review, so it is not followed",
			"put the file into the tree, or say where it is if it is meant"},
		{RuleOutside, Warning, "a file that is not in the tree under review is judged, or judges what is",
			"put the file into the tree, or say where it is if it is meant"},
		{RuleConfig, Note, "the settings are those of a configuration outside the tree under review",
			"pools_path, safety_mode and data_directory are taken from it"},
	}
}

func schemaRules() []Rule {
	return []Rule{
		{schema.RuleShape, Error, "a part of the schema is no map, list or word where one is expected",
			"write it as the message says; confctl's own schemas/schema.yaml shows all parts"},
		{schema.RuleName, Error, "a type, tag or field has a name that it cannot have",
			"choose another name: one word, not name for a tag, and each tag once"},
		{schema.RuleMissingKey, Error, "a part is missing that has to be there",
			"add it: a type needs path, tags and schema, a field a default, json_schema base_path and rules, and each of its rules schema and selector"},
		{schema.RuleUnknownKey, Warning, "a key has no meaning, so what stands under it has no effect",
			"correct its spelling, or take it out"},
		{schema.RuleUnquoted, Warning, "a default of a field of any type is text here, and a boolean or a number in YAML 1.1, as the Python tool reads it",
			"put it in quotes, or write true, false or null"},
		{schema.RuleType, Error, "a field has a type that is not known",
			"use one of string, int, bool, list, dict, enum:a|b, cidr_list and any"},
		{schema.RuleDefault, Error, "a field's type refuses its default",
			"change the default, or the type"},
		{schema.RulePath, Error, "a type's path is none, or in the way of another type's",
			"give each type a path of its own that is not below another's"},
		{schema.RuleDepends, Error, "a type depends on one that does not exist",
			"correct the name in depends, or take it out"},
		{schema.RuleLoop, Error, "types depend on each other, so there is no order to create their objects in",
			"take one of them out of the depends of another"},
		{schema.RuleSelector, Error, "a selector is none, or names a tag that the type does not have",
			"write TAG=REGEX,... with the type's own tags, and name for the object's name"},
		{RuleNeverMatches, Error, "the selector of a JSON schema cannot match any object",
			"correct the regular expression: it has to match a whole tag value or name, which is not empty and holds no blank and no slash"},
		{schema.RuleRegex, Warning, "a part of a regular expression means one thing in RE2, which confctl uses, and another in Python",
			"write it in the way that both read alike"},
		{schema.RuleRegexASCII, Note, "a part of a regular expression matches ASCII alone in RE2, which confctl uses, and all of Unicode in Python",
			"nothing, if values are ASCII; else write the characters out, or a class such as \\pL"},
		{RuleNetwork, Warning, "a default in a cidr_list is written in an unusual way",
			"write the network that the message names, unless all readers take it as it is"},
	}
}

func jsonSchemaRules() []Rule {
	return []Rule{
		{schema.RuleJSONMissing, Error, "a JSON schema is not there, cannot be read, or is on the network",
			"correct the name, or put the file there: what is referred to has to be in a file beside the schema that does"},
		{schema.RuleJSONInvalid, Error, "a file is no JSON schema",
			"correct what the message names; the draft that $schema names says what is allowed"},
		{schema.RuleJSONTooLarge, Error, "a JSON schema is larger or deeper than is read, or takes too long to compile or to check objects with",
			"make it simpler: what refers twice to a part that refers twice to another doubles the work each time"},
		{schema.RuleJSONPattern, Error, "a JSON schema has a regular expression that RE2 does not know",
			"write it without look-around, (?=, (?!, (?<= and (?<!, and without back-references such as \\1"},
		{schema.RuleJSONFormat, Warning, "a JSON schema has a format, or a default is not in it; formats are not asserted, as in the Python tool",
			"write a pattern beside format if values are to be refused"},
		{RuleMapped, Note, "JSON schemas are read from beside the schema, and not from the absolute path that it names",
			"if they are elsewhere, name another directory"},
		{RuleJSONDefault, Warning, "a new object is refused by its JSON schema until somebody has set it",
			"give the field a default that the JSON schema takes, or let the JSON schema take the default"},
		{RuleJSONUnused, Warning, "a file looks like a JSON schema that was meant to be used, and is not",
			"name it in a rule of json_schema, or take it out"},
		{RuleSelectsNothing, Warning, "a JSON schema holds for none of the declared objects",
			"correct the selector, or take the rule out"},
	}
}

func safetyRules() []Rule {
	return []Rule{
		{safety.RuleInvalid, Error, "a safety rule is none, or of no use for its type; without it what takes capacity away from the type is refused",
			"correct the rule as the message says; docs/safety.md has all of them"},
		{safety.RuleUnknownType, Error, "safety rules are declared for a type that does not exist",
			"correct the name of the type, or take its rules out"},
		{safety.RuleNeverMatches, Error, "the only of a safety rule cannot match any object",
			"correct the regular expression: it has to match a whole tag value, which is not empty and holds no blank and no slash"},
		{safety.RuleSelectsNothing, Warning, "the only of a safety rule selects none of the declared objects, so that nothing is protected by it",
			"correct only, or take the rule out"},
		{safety.RuleUnreachableFloor, Warning, "a group has fewer objects than have to serve in it, so that none can ever be taken out",
			"lower at_least, or leave the group out of the rule with only"},
		{safety.RuleMaxWithoutMin, Warning, "max-pooled and the built-in min-pooled together let nothing be moved",
			"give max-pooled mode: warn, so that the new side can be pooled before the old one is depooled"},
		{safety.RuleDefaultsServe, Error, "more objects serve as soon as they are created than max-pooled allows, so a sync could not create them",
			"give pooled a default that does not serve, or raise at_most"},
	}
}

func readerRules() []Rule {
	return []Rule{
		{readers.RuleInvalid, Error, "a reader is not valid, or of no use for its type; it would not be asked",
			"correct it as the message says; docs/readers.md has all kinds"},
		{readers.RuleSwapped, Warning, "two name servers are declared to answer with the same network for different places",
			"correct the one that is wrong: an answer is taken for that of the place that it names"},
	}
}

func dataRules() []Rule {
	return []Rule{
		{seed.RuleShape, Error, "a part of a data file is no map or list where one is expected",
			"write it as the message says; nothing of the type is created or removed until then"},
		{seed.RuleNull, Error, "nothing stands in a data file where a map or list is expected",
			"write what belongs there, or take the key out"},
		{seed.RuleService, Error, "a host has a word where the list of its services is expected",
			"put brackets around it"},
		{seed.RuleName, Error, "a word can be no name or tag value",
			"correct it: a name has up to 253 bytes, and no slash, blank or control character"},
		{seed.RuleEmpty, Error, "a data file declares nothing, which is taken for a mistake",
			"delete the file if there is nothing to declare; nothing of the type is removed until then"},
		{seed.RuleFile, Error, "something in the directory of a type looks like a data file and is not read",
			"make it a file whose name ends in .yaml or .yml, or take it out; nothing of the type is removed until then"},
		{seed.RuleDuplicate, Warning, "an object is declared twice",
			"take one of the two out: as it is, taking out only one removes nothing"},
		{seed.RuleIgnored, Warning, "a file or directory in the data directory is not read",
			"if it declares objects, let its name end in .yaml or .yml in the directory of a type; else take it out"},
		{seed.RuleDirectory, Error, "a directory with data files has the name of no type, so nothing in it is read",
			"rename it to the type it is of, or declare the type in the schema"},
	}
}
