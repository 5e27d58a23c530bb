namespace OmniPg.Testing;

/// <summary>A running throw-away server, whichever way it was had.</summary>
internal interface IPgServer : IAsyncDisposable
{
    /// <summary>Connection string of the superuser, database <c>postgres</c>.</summary>
    string ConnectionString { get; }

    /// <summary>The server as a process of this machine, or <see langword="null"/> when it is somewhere else.</summary>
    ProcessServer? Process { get; }
}
