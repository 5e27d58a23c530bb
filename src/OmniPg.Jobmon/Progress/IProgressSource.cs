namespace OmniPg.Jobmon;

/// <summary>A run whose progress the background writes.</summary>
internal interface IProgressSource
{
    /// <summary>Writes what changed, with synchronous I/O; false when the server did not take it.</summary>
    bool FlushProgress();
}
