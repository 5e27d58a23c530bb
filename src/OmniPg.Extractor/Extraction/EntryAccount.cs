namespace OmniPg.Extractor;

/// <summary>What became of every entry of the archive: nothing is lost silently.</summary>
/// <param name="Total">Entries of the archive.</param>
/// <param name="InFiles">Written to exactly one file each; copies are not counted.</param>
/// <param name="Consumed">Session settings and remarks that never become SQL of the schema.</param>
/// <param name="Filtered">Left out because the options say so.</param>
/// <param name="Unknown">Of those in files: kinds this version does not know, written to <c>other/</c>.</param>
public sealed record EntryAccount(int Total, int InFiles, int Consumed, int Filtered, int Unknown)
{
    /// <summary>Whether the sum is right: <c>Total = InFiles + Consumed + Filtered</c>.</summary>
    public bool IsClosed => Total == InFiles + Consumed + Filtered;
}
