namespace OmniPg.Cli;

/// <summary>Shells that <c>omnipg completion</c> knows.</summary>
internal enum CompletionShell
{
    Bash,
    Zsh,
    Fish,
}
