using System.Text;

namespace OmniPg.Extractor;

/// <summary>A tree as one psql script.</summary>
internal sealed class TreeScript(SchemaSnapshot snapshot, string directory, TextWriter output)
{
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        var encoding = SessionText.RawEncoding(snapshot);
        if (encoding is not null && output.Encoding.CodePage != Encoding.Latin1.CodePage)
            throw new ExtractorOptionException("output", $"The tree holds text in '{encoding}', byte by byte; the writer's encoding is '{output.Encoding.WebName}'.",
                "Give a writer with Encoding.Latin1, which writes these bytes again.");
        var hasEscapedRows = SessionText.HasEscapedRows(snapshot.Environment);
        await output.WriteAsync((ScriptPrologue.TreeSettings(encoding ?? "UTF8") + "\n").AsMemory(), cancellationToken).ConfigureAwait(false);
        foreach (var entry in snapshot.Entries.Where(static entry => entry.SchemaObject.Kind != "DATABASE"))
        {
            if (entry.HasData)
            {
                var escaped = hasEscapedRows && entry.Desc == "TABLE DATA";
                if (escaped)
                    await output.WriteAsync("SET standard_conforming_strings = off;\nSET escape_string_warning = off;\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
                await CopyFileAsync(entry, cancellationToken).ConfigureAwait(false);
                if (escaped)
                    await output.WriteAsync("SET standard_conforming_strings = on;\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
            }
            else
                await output.WriteAsync((entry.Sql + "\n\n").AsMemory(), cancellationToken).ConfigureAwait(false);
            if (new ReplayEntry(entry, entry.Sql).ChangesDefaults)
                await output.WriteAsync(ScriptPrologue.TreeDefaults.AsMemory(), cancellationToken).ConfigureAwait(false);
        }
        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task CopyFileAsync(SchemaEntry entry, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(Path.Combine(directory, entry.File), new UTF8Encoding(false));
        var buffer = new char[32 * 1024];
        while (await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var read)
            await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
        await output.WriteAsync("\n\n".AsMemory(), cancellationToken).ConfigureAwait(false);
    }
}
