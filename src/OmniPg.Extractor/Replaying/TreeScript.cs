using System.Text;

namespace OmniPg.Extractor.Replaying;

/// <summary>A tree as one psql script.</summary>
internal sealed class TreeScript(SchemaSnapshot snapshot, string directory, TextWriter output)
{
    private const string Prologue = """
        SET statement_timeout = 0;
        SET lock_timeout = 0;
        SET idle_in_transaction_session_timeout = 0;
        SET client_encoding = 'UTF8';
        SET standard_conforming_strings = on;
        SELECT pg_catalog.set_config('search_path', '', false);
        SET check_function_bodies = false;
        SET xmloption = content;
        SET client_min_messages = warning;
        SET row_security = off;
        SET default_tablespace = '';
        SET default_table_access_method = heap;


        """;

    private const string Defaults = "SET default_tablespace = '';\nSET default_table_access_method = heap;\n\n";

    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        await output.WriteAsync(Prologue.ReplaceLineEndings("\n").AsMemory(), cancellationToken).ConfigureAwait(false);
        foreach (var entry in snapshot.Entries.Where(static entry => entry.SchemaObject.Kind != "DATABASE"))
        {
            if (entry.HasData)
                await CopyFileAsync(entry, cancellationToken).ConfigureAwait(false);
            else
                await output.WriteAsync((entry.Sql + "\n\n").AsMemory(), cancellationToken).ConfigureAwait(false);
            if (new ReplayEntry(entry, entry.Sql).ChangesDefaults)
                await output.WriteAsync(Defaults.AsMemory(), cancellationToken).ConfigureAwait(false);
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
