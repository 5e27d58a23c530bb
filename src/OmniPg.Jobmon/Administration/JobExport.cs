using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Writes runs as JSON lines. The server builds each object, so a run with its steps is one row and memory stays constant.</summary>
internal static class JobExport
{
    private static readonly byte[] NewLine = "\n"u8.ToArray();

    public static async Task WriteAsync(JobmonDatabase database, Stream target, JobQuery query, CancellationToken cancellationToken)
    {
        var lines = database.StreamAsync("export", server => JobHistory.ListCommand(server, query, JobHistorySql.Export), row => row.GetString(0), cancellationToken);
        await foreach (var line in lines.ConfigureAwait(false))
        {
            await target.WriteAsync(Encoding.UTF8.GetBytes(line), cancellationToken).ConfigureAwait(false);
            await target.WriteAsync(NewLine, cancellationToken).ConfigureAwait(false);
        }
        await target.FlushAsync(cancellationToken).ConfigureAwait(false);
    }
}
