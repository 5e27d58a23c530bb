namespace OmniPg.Cli;

/// <summary>A column of a table on a screen.</summary>
/// <param name="Title">Its head.</param>
/// <param name="Right">Whether its cells are aligned to the right, like numbers.</param>
/// <param name="Least">Cells that it may be cut down to where the screen is narrow; null: never cut.</param>
/// <param name="Rank">Where even that is too wide, columns with the highest rank go first; 0: it stays.</param>
internal sealed record ScreenColumn(string Title, bool Right = false, int? Least = null, int Rank = 0);
