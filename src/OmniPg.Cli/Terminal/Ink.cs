namespace OmniPg.Cli;

/// <summary>How a piece of text looks on a screen.</summary>
internal enum Ink
{
    Plain,
    Strong,
    Faint,
    Good,
    Attention,
    Bad,
}
