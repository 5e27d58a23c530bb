using System.Diagnostics;

namespace OmniPg.Wal;

/// <summary>Span and measurements of one call of the archiver.</summary>
internal sealed class ArchiveCall : IDisposable
{
    private readonly Activity? _activity = WalTelemetry.Source.StartActivity("wal.archive");
    private readonly long _started = Stopwatch.GetTimestamp();

    public ArchiveCall(WalFileName file) => _activity?.SetTag("omnipg.wal.segment", file.ToString());

    public async Task<WalArchiveResult> ObserveAsync(Task<WalArchiveResult> call)
    {
        try
        {
            var result = await call.ConfigureAwait(false);
            Record(result);
            return result;
        }
        catch (Exception error)
        {
            End(error is OperationCanceledException ? "cancelled" : "failed", error);
            throw;
        }
    }

    public void Dispose() => _activity?.Dispose();

    private void Record(WalArchiveResult result)
    {
        WalTelemetry.ArchivedBytes.Add(result.RawBytes, new KeyValuePair<string, object?>("stage", "raw"));
        foreach (var destination in result.Destinations)
            if (destination.StoredBytes > 0)
                WalTelemetry.ArchivedBytes.Add(destination.StoredBytes, new("stage", "stored"), new("destination", destination.Id));
        End(result.IsArchived ? "archived" : "failed", result.Destinations.FirstOrDefault(static d => d is { IsRequired: true, Error: not null })?.Error);
    }

    private void End(string status, Exception? error)
    {
        WalTelemetry.ArchivedSegments.Add(1, new KeyValuePair<string, object?>("status", status));
        WalTelemetry.ArchiveDuration.Record(Stopwatch.GetElapsedTime(_started).TotalSeconds);
        if (error is WalValidationException)
            WalTelemetry.ValidationFailures.Add(1);
        if (error is null)
            return;
        _activity?.SetTag("error.type", (error as OmniPgException)?.Code ?? error.GetType().FullName);
        _activity?.SetStatus(ActivityStatusCode.Error, error.Message);
    }
}
