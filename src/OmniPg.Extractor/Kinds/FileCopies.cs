namespace OmniPg.Extractor;

/// <summary>Extra files that repeat a part of another file, as the original wrote them; combine with <c>|</c>. Copies are never replayed.</summary>
[Flags]
public enum FileCopies
{
    /// <summary>No copies; the default.</summary>
    None = 0,

    /// <summary>Sequences owned by a table also in <c>sequences/</c> (<c>--getsequences</c>).</summary>
    OwnedSequences = 1,

    /// <summary>Each trigger also in <c>triggers/&lt;schema&gt;.&lt;table&gt;.&lt;name&gt;.sql</c> (<c>--gettriggers</c>).</summary>
    Triggers = 2,

    /// <summary>Each rule also in <c>rules/&lt;schema&gt;.&lt;table&gt;.&lt;name&gt;.sql</c> (<c>--getrules</c>).</summary>
    Rules = 4,
}
