using System.Text;

namespace OmniPg.Jobmon;

/// <summary>The rights of one kind of access as SQL.</summary>
internal static class GrantScript
{
    public static string For(PgIdentifier role, JobmonAccess access, JobmonMode mode, PgIdentifier schema, PgIdentifier side)
    {
        if (!Enum.IsDefined(access))
            throw new ArgumentOutOfRangeException(nameof(access), access, "Access is Read, Write or Manage.");
        var script = new StringBuilder($"GRANT USAGE ON SCHEMA {schema.Quoted}, {side.Quoted} TO {role.Quoted};\n");
        foreach (var grant in JobmonRights.Given(mode, access))
        {
            var objects = grant.Objects.Select(name => $"{(grant.Side ? side : schema).Quoted}.{name}");
            script.Append("GRANT ").AppendJoin(", ", grant.Privileges).Append(" ON ").Append(grant.Kind).AppendJoin(", ", objects)
                .Append(" TO ").Append(role.Quoted).Append(";\n");
        }

        return script.ToString();
    }
}
