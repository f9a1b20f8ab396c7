// Both catalogues are complete, and no text for people stands outside of them.

import { parse } from 'svelte/compiler';
import ts from 'typescript';
import { afterEach, describe, expect, it } from 'vitest';
import { CATALOGUES, type Text } from '.';
import { format_number, join_list, plural } from './format';
import { LOCALES } from './locales';
import { preferred_locale, set_locale } from './state.svelte';
import { told } from './told';

/** Sources of the page, by path from `src/`. */
const SOURCES = Object.entries(
  import.meta.glob<string>(['../*.{svelte,ts}', '../{screens,parts,view,engine}/*.{svelte,ts}'], {
    query: '?raw',
    import: 'default',
    eager: true,
  }),
).filter(([path]) => !/\.(test|d)\.ts$|contract\.ts$/.test(path));

type Leaf = [path: string, value: string | ((...values: unknown[]) => string)];

function leaves(node: unknown, path = ''): Leaf[] {
  if (typeof node === 'string' || typeof node === 'function') return [[path, node as Leaf[1]]];
  return Object.entries(node as object).flatMap(([key, value]) => leaves(value, path ? `${path}.${key}` : key));
}

/** Marks that can stand for a name and for a number: digits. */
const MARKS = ['701', '802', '903'];

/** The marks that a text shows when it is called with them. */
function shown(value: Leaf[1]): string[] {
  if (typeof value === 'string') return [];
  const text = value(...MARKS.slice(0, value.length));
  return MARKS.filter((mark) => text.includes(mark));
}

describe('the catalogues', () => {
  const [english, ...others] = LOCALES.map((locale) => new Map(leaves(CATALOGUES[locale])));

  it('have the same keys, parameters and placeholders', () => {
    for (const other of others) {
      expect([...other.keys()]).toEqual([...english!.keys()]);
      for (const [path, value] of english!) {
        const translated = other.get(path)!;
        expect(typeof translated, path).toBe(typeof value);
        if (typeof value === 'function' && typeof translated === 'function') {
          expect(translated.length, path).toBe(value.length);
          expect(shown(translated), path).toEqual(shown(value));
        }
      }
    }
  });

  it('leave nothing untranslated but names', () => {
    const same = [...english!].filter(
      ([path, value]) => typeof value === 'string' && others[0]!.get(path) === value && /\p{L}{3}/u.test(value),
    );
    expect(same.map(([path]) => path).sort()).toEqual(
      [
        'app',
        'call.suites.cnsa2',
        'codes.enter.label',
        'dir',
        'memoranda.one.docx',
        'memoranda.one.participants',
        'memoranda.one.pdf',
        'memoranda.one.versions',
        'memoranda.taking.kinds.plain',
        'memoranda.taking.text',
        'memoranda.taking.title',
        'nav.label',
        'push.shown.other_title',
        'records.fields.date',
        'records.fields.participants',
        'status.starting.kind',
        'words.attention',
      ].sort(),
    );
  });

  it('write typographic apostrophes, and French spaces before double punctuation', () => {
    for (const locale of LOCALES)
      for (const [path, value] of leaves(CATALOGUES[locale])) {
        const text = typeof value === 'string' ? value : value(...MARKS.slice(0, value.length));
        expect(text, `${locale} ${path}`).not.toMatch(/\p{L}'\p{L}/u);
        if (locale === 'fr') {
          expect(text, path).not.toMatch(/[^\u202f][;!?»]/);
          expect(text, path).not.toMatch(/[^\u00a0\d]:|«[^\u202f]/);
        }
      }
  });
});

describe('the language', () => {
  afterEach(() => set_locale('en'));

  it('is the first of the browser’s that the page has, with its regional conventions', () => {
    expect(preferred_locale(['de-AT', 'fr-CA', 'en'])).toBe('fr');
    expect(preferred_locale(['pt-BR'])).toBe('en');
    expect(preferred_locale([])).toBe('en');
    set_locale('en', ['fr-CA', 'en-US']);
    expect(join_list(['a', 'b', 'c'])).toBe('a, b, and c');
    set_locale('en', ['fr-CA', 'en']);
    expect(join_list(['a', 'b', 'c'])).toBe('a, b and c');
  });

  it('decides numbers, lists and plurals', () => {
    const forms = { one: 'one', other: 'other' };
    expect([format_number(90_412), plural(0, forms), plural(1, forms)]).toEqual(['90,412', 'other', 'one']);
    set_locale('fr');
    expect([format_number(90_412), plural(0, forms), plural(2, forms)]).toEqual(['90\u202f412', 'one', 'other']);
    expect(join_list(['a', 'b', 'c'])).toBe('a, b et c');
    const entries = (n: number) => CATALOGUES.fr.desk.health.log_entries('9:00', n, format_number(n));
    expect([entries(1), entries(2)]).toEqual(['Vérifié à 9:00, 1 inscription', 'Vérifié à 9:00, 2 inscriptions']);
  });

  it('contracts French articles, and writes them in lower case inside a sentence', () => {
    const { call, enrol }: Text = CATALOGUES.fr;
    const from = (name: string) => call.alarms.silent.title(name);
    expect(from('Le Président')).toBe('Aucun son du Président');
    expect(from('La Présidente')).toBe('Aucun son de la Présidente');
    expect(from('L’Ambassadeur')).toBe('Aucun son de l’Ambassadeur');
    expect(from('Anne Duval')).toBe('Aucun son d’Anne Duval');
    expect(enrol.title_for('Le Premier ministre')).toBe('Inscrire ce navigateur pour le Premier ministre');
  });

  it('rewords what the engine and the office say, and keeps what it does not know', () => {
    const clash =
      'The server has another office authority than the one in the enrolment link: do not trust it, and tell the security officer.';
    expect(told(clash)).toBe('This link belongs to a different office. Do not continue.');
    const refused =
      'A ring was refused because it could not be verified: a ring is dated in the future: check both devices’ clocks. Tell the security officer.';
    expect(told(refused)).toMatch(/check both devices’ clocks\. Tell your security officer\.$/);
    expect(told('Something new.')).toBe('Something new.');
    set_locale('fr');
    expect(told(clash)).toMatch(/^Ce lien provient d’un autre cabinet/);
  });
});

describe('text for people', () => {
  it('stands in the catalogues only', () => {
    expect(SOURCES.length).toBeGreaterThan(60);
    const found = SOURCES.flatMap(([path, source]) => {
      const literals = path.endsWith('.svelte') ? svelte_literals(source) : script_literals(source);
      return literals.filter(reads_as_text).map((text) => `${path}: ${text.trim()}`);
    });
    expect(found).toEqual([]);
  });

  it('is found where it stands in markup, attributes, expressions and scripts', () => {
    const page = `<script>const a = 'Press a button'; throw new Error('invariant: never');</script>
      <p title="Make a favourite" class="one two">Look</p>{#if b}{'Put away'}{/if}`;
    expect(
      svelte_literals(page)
        .filter(reads_as_text)
        .map((text) => text.trim()),
    ).toEqual(['Press a button', 'Make a favourite', 'Look', 'Put away']);
  });
});

/** Two words, or one that begins a sentence. Names of keys and HTTP schemes are neither. */
function reads_as_text(literal: string): boolean {
  const text = literal.trim();
  if (/^(Key|Digit|Arrow)\w+$|^Alt\+$|^Bearer$/.test(text)) return false;
  return /\p{L}{2,}\s+\p{L}{2,}/u.test(text) || /^\p{Lu}\p{Ll}+/u.test(text);
}

/** Attributes of markup that nobody reads. */
const CODE_ATTRIBUTES = new Set([
  'class',
  'style',
  'd',
  'viewBox',
  'preserveAspectRatio',
  'role',
  'type',
  'letter',
  'aria-relevant',
]);

function svelte_literals(source: string): string[] {
  const found: string[] = [];
  const tree = parse(source, { modern: true });
  if (tree.instance)
    found.push(
      ...script_literals(source.slice(tree.instance.start, tree.instance.end).replace(/<\/?script[^>]*>/g, '')),
    );
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    const { type, name } = node as { type?: string; name?: unknown };
    if (type === 'Comment') return;
    if (type === 'Attribute' && CODE_ATTRIBUTES.has(String(name))) return;
    const { data, value } = node as { data?: unknown; value?: unknown };
    if (type === 'Text' && typeof data === 'string') found.push(data);
    if (type === 'Literal' && typeof value === 'string') found.push(value);
    if (type === 'TemplateElement') found.push((value as { cooked: string }).cooked);
    Object.values(node).forEach(visit);
  };
  visit(tree.fragment);
  return found;
}

const COMPARISONS = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.InKeyword,
]);

/** String literals of a script, but for modules, types, property names and errors that only developers see. */
function script_literals(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isTypeNode(node)) return;
    if (ts.isPropertyAssignment(node)) return ts.forEachChild(node.initializer, visit) ?? literal(node.initializer);
    // What is compared with is not shown.
    if (ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind))
      return [node.left, node.right].forEach((side) => ts.isStringLiteralLike(side) || visit(side));
    if (ts.isNewExpression(node) && node.expression.getText().endsWith('Error')) return;
    if (ts.isCallExpression(node) && node.expression.getText().startsWith('console.')) return;
    literal(node);
    ts.forEachChild(node, visit);
  };
  const literal = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      found.push(node.text);
  };
  visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true));
  return found;
}
