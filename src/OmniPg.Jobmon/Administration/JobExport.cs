using System.Text;

namespace OmniPg.Jobmon;

/// <summary>Writes runs as JSON lines. The server builds each object, so a run with its steps is one row and memory stays constant.</summary>
internal static class JobExport
{
    private static readonly byte[] NewLine = "\n"u8.ToArray();

    public static async Task WriteAsync(JobmonDatabase database, Stream target, JobQuery query, CancellationToken cancellationToken)
    {
        var rows = new RowStream(database, "export");
        await using var closing = rows.ConfigureAwait(false);
        await rows.OpenAsync(server => JobHistory.ListCommand(server, query, JobHistorySql.Export), cancellationToken).ConfigureAwait(false);
        while (await rows.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            await target.WriteAsync(Encoding.UTF8.GetBytes(rows.Reader.GetString(0)), cancellationToken).ConfigureAwait(false);
            await target.WriteAsync(NewLine, cancellationToken).ConfigureAwait(false);
        }
        await target.FlushAsync(cancellationToken).ConfigureAwait(false);
    }
}
