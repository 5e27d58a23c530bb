using System.Text;
using OmniPg.Extractor.Composing;

namespace OmniPg.Extractor.Replaying;

/// <summary>A tree as one psql script.</summary>
internal sealed class TreeScript(SchemaSnapshot snapshot, string directory, TextWriter output)
{
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        await output.WriteAsync((TreePrologue.Settings + "\n").AsMemory(), cancellationToken).ConfigureAwait(false);
        foreach (var entry in snapshot.Entries.Where(static entry => entry.SchemaObject.Kind != "DATABASE"))
        {
            if (entry.HasData)
                await CopyFileAsync(entry, cancellationToken).ConfigureAwait(false);
            else
                await output.WriteAsync((entry.Sql + "\n\n").AsMemory(), cancellationToken).ConfigureAwait(false);
            if (new ReplayEntry(entry, entry.Sql).ChangesDefaults)
                await output.WriteAsync(TreePrologue.Defaults.AsMemory(), cancellationToken).ConfigureAwait(false);
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
