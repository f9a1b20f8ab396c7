import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import typescript from 'typescript-eslint';
import svelte_config from './svelte.config.js';

export default typescript.config(
  { ignores: ['dist*/', 'node_modules/', 'screenshots/', 'src/wasm/'] },
  js.configs.recommended,
  typescript.configs.recommended,
  svelte.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['info', 'warn', 'error'] }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // The page's sets are replaced, never changed: `$state.raw` is enough.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  { files: ['src/**'], languageOptions: { globals: globals.browser } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: typescript.parser, svelteConfig: svelte_config } },
  },
  // French typography: narrow no-break spaces stand inside texts.
  { files: ['src/text/fr/**'], rules: { 'no-irregular-whitespace': 'off' } },
  // Callbacks of Playwright run in the page, so both sets of globals are in scope.
  {
    files: ['e2e/**', '*.js', '*.mjs', '*.ts'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
    rules: { 'no-console': 'off' },
  },
);
