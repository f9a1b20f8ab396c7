// The modules of what is written about a call, loaded when a screen first needs them.

import type * as Module from 'telcon-papers';
import type * as PdfModule from 'telcon-pdf';

type Papers = typeof Module;
type Pdf = typeof PdfModule;

let papers_loaded: Promise<Papers> | undefined;
let pdf_loaded: Promise<Pdf> | undefined;

async function loaded<T extends { default: () => Promise<unknown> }>(module: Promise<T>): Promise<T> {
  const functions = await module;
  await functions.default();
  return functions;
}

/** Checks and works with papers. A failed load is tried again. */
export function papers(): Promise<Papers> {
  papers_loaded ??= loaded(import('telcon-papers')).catch((error: unknown) => {
    papers_loaded = undefined;
    throw error;
  });
  return papers_loaded;
}

/** Lays papers out as PDF files: three megabytes, most of them fonts. */
export function pdf(): Promise<Pdf> {
  pdf_loaded ??= loaded(import('telcon-pdf')).catch((error: unknown) => {
    pdf_loaded = undefined;
    throw error;
  });
  return pdf_loaded;
}
