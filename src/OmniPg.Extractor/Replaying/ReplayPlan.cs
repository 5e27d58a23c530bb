using OmniPg.Extractor.Kinds;
using OmniPg.Extractor.Secrets;

namespace OmniPg.Extractor.Replaying;

/// <summary>Which entries are replayed, and with which texts.</summary>
internal static class ReplayPlan
{
    public static async Task<IReadOnlyList<ReplayEntry>> CreateAsync(SchemaSnapshot snapshot, ReplayOptions options, CancellationToken cancellationToken)
    {
        var entries = snapshot.Entries.Where(entry => IsWanted(entry, options)).ToList();
        var plan = new List<ReplayEntry>(entries.Count);
        var unresolved = new List<string>();
        foreach (var entry in entries)
        {
            var sql = entry.IsRedacted ? await ResolveAsync(entry, options.Secrets, cancellationToken).ConfigureAwait(false) : entry.Sql;
            if (sql is null)
                unresolved.Add(entry.Key);
            else
                plan.Add(new ReplayEntry(entry, sql));
        }
        return unresolved.Count == 0 ? plan : throw new ReplayRefusedException("extractor.replay.secrets",
            $"Secrets were taken out of these entries and nobody supplies them: '{string.Join("', '", unresolved)}'.", unresolved,
            "Give ReplayOptions.Secrets a resolver, leave these kinds out, or extract with secrets.");
    }

    private static bool IsWanted(SchemaEntry entry, ReplayOptions options)
    {
        if (options.NoPrivileges && entry.Desc is "ACL" or "DEFAULT ACL" or "ACL LANGUAGE")
            return false;
        // Comments and grants of large objects go with them: since 17 pg_dump counts the objects themselves as data.
        if (options.SchemaOnly && (entry.SchemaObject.Kind == RootResolver.LargeObjectKind || entry.HasData || entry.Section == TocSection.Data || entry.Desc.EndsWith(" DATA", StringComparison.Ordinal)))
            return false;
        var kind = ObjectKindMap.OfObject(entry.SchemaObject.Kind);
        return kind == ObjectKinds.None || options.Kinds.HasFlag(kind);
    }

    private static async ValueTask<string?> ResolveAsync(SchemaEntry entry, ISecretResolver? resolver, CancellationToken cancellationToken)
    {
        if (resolver is null)
            return null;
        var values = new List<string>();
        foreach (var option in SecretRedactor.MaskedOptions(entry.Sql))
        {
            if (await resolver.ResolveAsync(entry, option, cancellationToken).ConfigureAwait(false) is not { } value)
                return null;
            values.Add(value);
        }
        return SecretRedactor.Restore(entry.Sql, values);
    }
}
