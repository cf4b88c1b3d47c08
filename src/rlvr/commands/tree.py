"""The composed config as a tree in the terminal."""

from omegaconf import DictConfig, OmegaConf
from rich.markup import escape
from rich.syntax import Syntax
from rich.tree import Tree


def config_tree(cfg: DictConfig) -> Tree:
    """A branch for each group with its YAML, interpolations resolved; at the end the settings that are in no group."""
    nodes = {str(name): cfg[name] for name in cfg}
    groups = {name: node for name, node in nodes.items() if isinstance(node, DictConfig) and node}
    loose = OmegaConf.create({name: node for name, node in nodes.items() if name not in groups})
    tree = Tree("config")
    for name, node in {**groups, "in no group": loose}.items():
        text = OmegaConf.to_yaml(node, resolve=True).rstrip()
        tree.add(f"[bold]{escape(name)}[/]").add(Syntax(text, "yaml", background_color="default"))
    return tree
