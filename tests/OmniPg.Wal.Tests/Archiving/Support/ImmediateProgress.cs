namespace OmniPg.Wal.Tests.Archiving;

/// <summary>Reports on the thread that makes the progress, before it goes on.</summary>
internal sealed class ImmediateProgress(Action<WalProgress> report) : IProgress<WalProgress>
{
    public void Report(WalProgress value) => report(value);
}
