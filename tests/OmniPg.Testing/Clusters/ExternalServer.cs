namespace OmniPg.Testing;

/// <summary>A server that somebody else runs, named by <c>OMNIPG_TEST_CONNECTION</c>. It is used and left alone.</summary>
internal sealed class ExternalServer(string connectionString) : IPgServer
{
    public string ConnectionString { get; } = connectionString;

    public ProcessServer? Process => null;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
